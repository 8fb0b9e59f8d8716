//! Real processes for the tests of this module: started in a process group of their own, waited
//! for by condition, ended by their id.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running shell script and whatever it started; all of it is killed and the shell waited for on
/// drop.
#[derive(Debug)]
pub(super) struct Script {
    /// The shell.
    child: Child,
    /// The lines it and its children print.
    lines: Receiver<String>,
    /// Reads the lines; ends with the last process that could print one.
    reader: Option<thread::JoinHandle<()>>,
}

impl Script {
    /// Starts `sh -c text`.
    pub(super) fn start(text: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", text])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("every system here has a shell");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        let reader = thread::spawn(move || {
            let printed = output.lines().map_while(Result::ok);
            printed.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Self { child, lines, reader: Some(reader) }
    }

    /// The id of the shell, which is that of its process group.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the next line.
    pub(super) fn any_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the script prints a line")
    }

    /// Waits for the next line, which must be `expected`.
    pub(super) fn line(&self, expected: &str) {
        assert_eq!(self.any_line(), expected);
    }

    /// Lets a script that waits in `read` go on.
    pub(super) fn go_on(&mut self) {
        use std::io::Write as _;
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(b"\n").expect("the script is waiting for a line");
    }

    /// Waits until `condition` holds.
    pub(super) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        until(&format!("{what} (script {})", self.pid()), condition);
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Only fails if nothing of the group is left.
        let _gone = kill_process_group(self.pid(), Signal::KILL);
        self.child.wait().expect("the shell has not been waited for");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading lines does not panic");
        }
    }
}

/// Waits until `condition` holds, giving the processor away in between.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited too long until {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}
