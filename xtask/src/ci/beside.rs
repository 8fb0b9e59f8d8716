//! A command that runs while other steps do.

use std::{
    env,
    fs::{self, File},
    io::{self, Seek},
    path::Path,
    process::{self, ExitStatus},
    sync::atomic::{AtomicU32, Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::command_line::CommandLine;
use crate::error::Result;

/// A command that was started, and whose output is kept.
#[derive(Debug)]
pub(super) struct Beside {
    /// Waits for it: how it ended, and how long it took.
    waiter: JoinHandle<(io::Result<ExitStatus>, Duration)>,
    /// What it says, on both streams.
    said: File,
}

impl Beside {
    /// Starts a command in this folder.
    ///
    /// # Errors
    /// When it cannot be started, or its output cannot be kept.
    pub(super) fn start(line: &CommandLine, root: &Path) -> Result<Self> {
        let begin = Instant::now();
        let said = nameless_file();
        let started = said.and_then(|said| {
            let mut command = line.command(root)?;
            command.stdout(said.try_clone()?).stderr(said.try_clone()?);
            Ok((command.spawn()?, said))
        });
        let (mut child, said) = started.map_err(|error| line.not_started(&error))?;
        let waiter = thread::spawn(move || (child.wait(), begin.elapsed()));
        Ok(Self { waiter, said })
    }

    /// Waits for its end: how it ended, how long it took, and what it said, from the beginning.
    pub(super) fn end(self) -> (io::Result<ExitStatus>, Duration, io::Result<File>) {
        let (ended, took) = self.waiter.join().expect("waiting does not panic");
        let mut said = self.said;
        let said = said.rewind().map(|()| said);
        (ended, took, said)
    }
}

/// A file that nobody else finds, and that is gone when it is closed.
fn nameless_file() -> io::Result<File> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("triptych-ci-{}-{number}", process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
