//! How a program ends, seen from outside.

use std::{
    fmt,
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::program::{Pool, Program};

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With the right answer.
    Right,
    /// Not, within the time limit.
    Hangs,
    /// A thread had no stack left.
    Overflows,
    /// With this panic.
    Panics(String),
    /// In another way; these are its last words.
    Fails(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => write!(f, "ends"),
            Self::Hangs => write!(f, "hangs"),
            Self::Overflows => write!(f, "stack overflow"),
            Self::Panics(message) => write!(f, "panics: {message}"),
            Self::Fails(words) => write!(f, "fails: {words}"),
        }
    }
}

/// Has `executable`, which is this package's, run a program in a process, and says how that ended.
/// It is killed when it takes longer than `limit`.
///
/// # Errors
///
/// When the system cannot start the process, or cannot end it.
pub fn observe(
    executable: &Path,
    program: &Program,
    pool: Pool,
    limit: Duration,
) -> io::Result<Outcome> {
    let mut command = Command::new(executable);
    command.args([program.name, pool.name()]).stdin(Stdio::null());
    // The size of stacks is part of some programs.
    command.env_remove("RUST_MIN_STACK").env_remove("RUST_BACKTRACE");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (send, ended) = mpsc::channel();
    let output = read(output.expect("it is piped"), Some(send));
    let errors = read(errors.expect("it is piped"), None);
    // Its output ends with it.
    let in_time = ended.recv_timeout(limit) != Err(RecvTimeoutError::Timeout);
    if !in_time {
        child.kill()?;
    }
    let status = child.wait()?;
    let words = [output, errors].map(|reader| reader.join().expect("reading does not panic"));
    let [output, errors] = words;
    Ok(if !in_time {
        Outcome::Hangs
    } else if status.success() && output == "right\n" {
        Outcome::Right
    } else if errors.contains("has overflowed its stack") {
        Outcome::Overflows
    } else if let Some(message) = panic_message(&errors) {
        Outcome::Panics(message.to_owned())
    } else {
        Outcome::Fails(format!("{status}: {output}{errors}").trim().to_owned())
    })
}

/// Reads all there is; dropping `end` says so.
fn read<R>(mut from: R, end: Option<mpsc::Sender<()>>) -> thread::JoinHandle<String>
where
    R: Read + Send + 'static,
{
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = from.read_to_end(&mut bytes);
        read.expect("a pipe can be read until its other end is closed");
        drop(end);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The text of the first panic, which is on the line after the one that says where.
fn panic_message(errors: &str) -> Option<&str> {
    errors.lines().skip_while(|line| !line.contains(" panicked at ")).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_panic_is_found() {
        let errors =
            "note\nthread 'a' (7) panicked at a.rs:1:2:\nout of cheese\nstack backtrace:\n";
        assert_eq!(panic_message(errors), Some("out of cheese"));
        assert_eq!(panic_message("out of cheese\n"), None);
    }
}
