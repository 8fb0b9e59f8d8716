//! What this program does when a peer starts it as a worker, or as a parent that is killed.

use std::{
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitCode, Stdio},
};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{ipc, jetstream, orphans, stream};

/// The first argument of a helper.
pub(crate) const FLAG: &str = "--helper";

/// A command that starts this program as a helper with this role.
pub(crate) fn command(role: &str) -> Command {
    // The link, and not where it leads: it works also when the file was replaced.
    let mut command = Command::new("/proc/self/exe");
    command.args([FLAG, role]);
    command
}

/// A helper that waits to be killed, and has said so: it has told the kernel to end it with its parent
/// before that.
pub(crate) fn asleep() -> Child {
    let mut command = command("sleep");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a process can be started");
    let output = child.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut String::new()).expect("it says so");
    child
}

/// Does what a helper is to do; `None`: this is no helper.
pub(crate) fn run() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    if words.next()? != FLAG {
        return None;
    }
    // Whatever becomes of the sample, nothing of it is left.
    set_parent_process_death_signal(Some(Signal::KILL)).expect("the signal exists");
    let role = words.next().unwrap_or_default();
    let rest: Vec<OsString> = words.collect();
    let text = |index: usize| rest[index].to_str().expect("it is a number or the name of a server");
    let number = |index| text(index).parse().expect("it is a number");
    match role.to_str() {
        Some("exit") => {}
        Some("sleep") => orphans::sleep(),
        Some("orphanage") => orphans::parent(text(0)),
        Some("stream-echo") => stream::echo(),
        Some("stream-measure") => stream::measure(),
        Some("stream-produce") => stream::produce(number(0)),
        Some("ipc-echo") => ipc::echo(text(0)),
        Some("ipc-measure") => ipc::measure(text(0)),
        Some("ipc-produce") => ipc::produce(text(0), number(1)),
        Some("nats-echo") => jetstream::echo(text(0)),
        Some("nats-worker") => jetstream::work(text(0)),
        other => panic!("there is no helper {other:?}"),
    }
    Some(ExitCode::SUCCESS)
}
