//! What is seen while it runs.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::compare::record::Run;

use super::terminal::stderr_is_drawable;

/// A bar on standard error, drawn only between executions, so that drawing disturbs none of them;
/// a plain line for what matters where standard error is not a terminal.
#[derive(Debug)]
pub struct Progress {
    /// When everything began.
    begin: Instant,
    /// Workloads of the comparison.
    workloads: usize,
    /// Workloads that were begun.
    begun: usize,
    /// When the current workload began.
    since: Instant,
    /// Executions of the current workload so far.
    done: usize,
    /// Executions that it takes.
    planned: usize,
    /// The bar; hidden where nothing can be drawn.
    bar: ProgressBar,
}

impl Progress {
    /// Nothing shown yet, of a comparison of so many workloads.
    pub fn new(workloads: usize) -> Self {
        let target = if stderr_is_drawable() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template("{prefix} [{bar:20}] {wide_msg}")
            .expect("the template is well-formed")
            .progress_chars("=> ");
        let bar = ProgressBar::with_draw_target(Some(1), target).with_style(style);
        let now = Instant::now();
        Self { begin: now, workloads, begun: 0, since: now, done: 0, planned: 0, bar }
    }

    /// Says what is being done, on a line of its own.
    pub fn say(&self, doing: &str) {
        let line = format!("[{:>5.1} s] {doing}", self.begin.elapsed().as_secs_f64());
        if self.bar.is_hidden() {
            anstream::eprintln!("{line}");
        } else {
            self.bar.suspend(|| anstream::eprintln!("{line}"));
        }
    }

    /// A workload is being prepared.
    pub fn prepare(&mut self, workload: &str) {
        self.begun += 1;
        (self.done, self.planned, self.since) = (0, 0, Instant::now());
        self.bar.set_length(1);
        self.bar.set_position(0);
        self.bar.set_prefix(format!("{}/{}", self.begun, self.workloads));
        self.bar.set_message(format!("preparing {workload}"));
        self.bar.tick();
    }

    /// The executions of a workload begin; there are about so many of them.
    pub fn start(&mut self, workload: &str, executions: usize) {
        (self.done, self.planned, self.since) = (0, executions, Instant::now());
        if self.bar.is_hidden() {
            self.say(&format!("{workload}: about {executions} executions"));
        }
    }

    /// One execution is over.
    pub fn step(&mut self, what: &str) {
        self.done += 1;
        // Disturbed rounds are repeated, and controls are added.
        self.planned = self.planned.max(self.done);
        self.bar.set_length(self.planned as u64);
        self.bar.set_position(self.done as u64);
        let left = remaining(self.since.elapsed(), self.done, self.planned);
        let left = humantime::format_duration(Duration::from_secs(left.as_secs()));
        self.bar.set_message(format!("{what}, about {left} left"));
        self.bar.tick();
    }

    /// The answers of a workload are known.
    pub fn answered(&mut self, run: &Run, workload: &str) {
        for answer in run.answers.iter().filter(|answer| answer.workload == workload) {
            let point = match answer.point.as_str() {
                "" => String::new(),
                label => format!(" ({label})"),
            };
            self.say(&format!("to {}{point}: {}", answer.task, answer.text));
        }
    }

    /// All is done.
    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How long the rest takes if it goes on as it has.
fn remaining(spent: Duration, done: usize, planned: usize) -> Duration {
    let each = spent.as_secs_f64() / done.max(1) as f64;
    Duration::from_secs_f64(each * planned.saturating_sub(done) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_for_each_as_what_is_done() {
        let second = Duration::from_secs(1);
        assert_eq!(remaining(2 * second, 4, 12), 4 * second);
        assert_eq!(remaining(2 * second, 12, 4), Duration::ZERO);
        assert_eq!(remaining(Duration::ZERO, 0, 4), Duration::ZERO);
    }
}
