//! A running `xtask`, whose end is waited for in bounded time.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take: lane hosts may have to be built first.
const PATIENCE: Duration = Duration::from_mins(10);

/// The program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_xtask"))
}

/// A running program; dropping it kills it.
pub(crate) struct Started {
    /// The process.
    child: Child,
    /// Reads standard output.
    output: Option<JoinHandle<String>>,
    /// Lines of standard error, as they come.
    errors: Receiver<String>,
    /// The lines that have been taken from there.
    said: Vec<String>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None`: a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// Standard output as JSON.
    pub(crate) fn run(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `xtask compare` with these arguments to its end.
pub(crate) fn compare(arguments: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.arg("compare").args(arguments);
    Started::new(&mut command).end()
}

impl Started {
    /// Starts a command.
    pub(crate) fn new(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program was built");
        let mut output = child.stdout.take().expect("it is piped");
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let output = thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).expect("it prints text");
            text
        });
        Self { child, output: Some(output), errors: receive, said: Vec::new() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says something with these words on standard error.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.errors.recv_timeout(left) {
                Ok(line) => {
                    let found = line.contains(words);
                    self.said.push(line);
                    if found {
                        return;
                    }
                }
                Err(error) => panic!("it never said {words:?} ({error}), but {:#?}", self.said),
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.errors.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                // The stream ended: so does the program.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it did not end: {:#?}", self.said),
            }
        }
        let code = self.child.wait().expect("it was started here").code();
        let output = self.output.take().expect("it is taken once");
        let out = output.join().expect("the reader does not panic");
        Ended { code, out, err: self.said.join("\n") }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The cells of a run.
pub(crate) fn cells(run: &Value) -> &Vec<Value> {
    run["cells"].as_array().expect("a run has cells")
}

/// A folder that looks like a target folder, with the program in it.
pub(crate) fn moved_program(folder: &Path) -> PathBuf {
    let target = folder.join("target");
    std::fs::create_dir(&target).expect("the folder is new");
    std::fs::write(target.join("CACHEDIR.TAG"), "").expect("the folder can be written to");
    let moved = target.join("xtask");
    std::fs::copy(program(), &moved).expect("the program can be copied");
    moved
}
