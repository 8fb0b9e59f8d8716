//! Runs shell commands at the same time, each for at most so many seconds:
//! `cargo run -p evented --example evented_children -- 2 'echo hello' 'exit 3' 'sleep 60'`.

use std::{error::Error, io, time::Duration};

use evented::process::{Command, Output};
use evented::{Elapsed, block_on, join_all, seconds, spawn, timeout};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let limit = arguments.next().ok_or("usage: children SECONDS COMMAND...")?;
    let limit = seconds(limit.parse()?)?;
    block_on(async {
        // All are started before the first one is waited for.
        let commands: Vec<String> = arguments.collect();
        let tasks: Vec<_> =
            commands.iter().map(|command| spawn(run(command.clone(), limit))).collect();
        for (command, result) in commands.iter().zip(join_all(tasks).await) {
            println!("{command}: {}", describe(result?));
        }
        Ok(())
    })
}

/// One command. When time is over the future is dropped, and the process killed.
async fn run(command: String, limit: Duration) -> Result<io::Result<Output>, Elapsed> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).kill_on_drop(true);
    timeout(limit, shell.output()).await
}

fn describe(result: Result<io::Result<Output>, Elapsed>) -> String {
    match result {
        Err(Elapsed) => "killed, time was over".to_owned(),
        Ok(Err(error)) => format!("failed to run: {error}"),
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stdout);
            format!("{}, {:?}", output.status, text.trim_end())
        }
    }
}
