//! What is seen while it runs.

use std::time::Instant;

use crate::{cli::Color, compare::record::Run};

/// A bar on standard error, drawn only between executions; nothing where standard error is not a
/// terminal.
#[derive(Debug)]
pub struct Progress {
    /// When everything began.
    begin: Instant,
}

impl Progress {
    /// Nothing shown yet.
    pub fn new(_color: Color) -> Self {
        Self { begin: Instant::now() }
    }

    /// Shows what is being done.
    pub fn say(&self, doing: &str) {
        eprintln!("[{:?}] {doing}", self.begin.elapsed());
    }

    /// A workload begins that takes this many executions.
    pub fn start(&mut self, workload: &str, executions: usize) {
        self.say(&format!("{workload}: {executions} executions"));
    }

    /// One execution is over.
    pub fn step(&mut self, _what: &str) {}

    /// The answers of a workload are known.
    pub fn answered(&mut self, run: &Run, workload: &str) {
        for answer in run.answers.iter().filter(|answer| answer.workload == workload) {
            self.say(&answer.text);
        }
    }

    /// All is done.
    pub fn finish(&mut self) {}
}
