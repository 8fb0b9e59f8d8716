//! What a lane is: a model, or a peer, set up to run workloads.
//!
//! Lanes implement *shapes*, never workloads: adding a workload touches no lane, adding a lane
//! touches no workload.

use std::{ops::Range, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Digest, Job};

/// The structure of a piece of work: what a lane needs to know to distribute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// This many independent tasks, all known at the start.
    Bag {
        /// How many.
        tasks: u64,
    },
    /// Tasks that become ready as others finish; a [`Frontier`](crate::Frontier) says which.
    Graph,
    /// Nodes that divide until they are leaves, and whose parents need what came of both halves:
    /// fork and join. A [`Tree`](crate::Tree) is what divides.
    Tree,
    /// Tasks that start others, which nobody waits for before the end.
    Spawn(Offspring),
    /// Loops one after another, the rounds of each of which may run at the same time, in memory that
    /// they share. A [`Grid`](crate::Grid) is what they work on.
    Loops,
    /// Bytes that are handed to another worker, which answers, one time after another. A
    /// [`Parcel`](crate::Parcel) is what is handed over.
    Transfer,
}

/// Which tasks a task starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offspring {
    /// How many tasks there are in all.
    pub tasks: u64,
    /// How many each starts, as long as there are more.
    pub fan_out: u64,
}

impl Offspring {
    /// The tasks that `index` starts; the first task, 0, is started by the lane.
    pub fn children(self, index: u64) -> Range<u64> {
        let first = index * self.fan_out + 1;
        first.min(self.tasks)..(first + self.fan_out).min(self.tasks)
    }
}

/// A job with what a lane has to know to run it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the tasks do.
    pub job: Job,
    /// How the tasks hang together.
    pub shape: Shape,
    /// How many tasks should wait at the same time, where waiting is the work; 0 where computing
    /// is.
    pub overlap: u64,
    /// How long a single task may take, in milliseconds, where some task is expected to hang.
    pub task_timeout_ms: Option<u64>,
}

impl Plan {
    /// [`task_timeout_ms`](Self::task_timeout_ms) as a duration.
    pub fn task_timeout(&self) -> Option<Duration> {
        self.task_timeout_ms.map(Duration::from_millis)
    }

    /// The error of a plan whose job is not `what` its shape says.
    pub fn misfit(&self, what: &str) -> LaneError {
        LaneError::Unsupported(format!("this job is no {what}"))
    }
}

/// A lane's name and nature, as it tells the harness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneInfo {
    /// Its name, unique over all hosts.
    pub name: String,
    /// The language it runs its tasks in; lanes are judged against the sequential lane of their own
    /// language.
    pub language: String,
    /// One sentence: what runs where.
    pub what: String,
}

/// How a lane can run a plan. What it cannot do is said, never skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Support {
    /// As the model is meant to be used.
    Native,
    /// With the help of something that is not the model.
    Hybrid {
        /// What helps.
        with: String,
    },
    /// With fewer tasks at the same time than asked for.
    Ceiling {
        /// How many.
        max: u64,
        /// Why not more.
        why: String,
    },
    /// Not at all.
    No {
        /// Why not.
        why: String,
    },
}

/// How a session is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Workers for computing; at least 1.
    pub workers: usize,
}

/// What came of running a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Digest of the outputs that came back.
    pub digest: Digest,
    /// Threads, processes or tasks that were really created for it.
    pub units: u64,
    /// Tasks that gave nothing back.
    pub failed: Vec<Failed>,
}

impl Outcome {
    /// Takes what task `index` gave back.
    pub fn take<E: ToString>(&mut self, index: u64, result: Result<crate::Output, E>) {
        match result {
            Ok(output) => self.digest.add(index, &output),
            Err(error) => self.failed.push(Failed { task: index, why: error.to_string() }),
        }
    }
}

/// A task that gave nothing back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its index.
    pub task: u64,
    /// What the lane knows about it.
    pub why: String,
}

/// Why a lane gave no outcome at all.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// It cannot run plans of this kind.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// It tried and failed.
    #[error("{0}")]
    Failed(String),
}

impl LaneError {
    /// An error of the lane that says what it was doing.
    pub fn failed(doing: &str, error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("failed to {doing}: {error}"))
    }
}

/// A model, or a peer, set up to run workloads.
pub trait Lane {
    /// Its name and nature.
    fn info(&self) -> LaneInfo;

    /// How it can run `plan`.
    fn support(&self, plan: &Plan) -> Support;

    /// Starts whatever has to exist before `plan` can run; this is not part of what is measured.
    ///
    /// # Errors
    /// When a thread, process or reactor cannot be started.
    fn open(&self, config: &Config, plan: &Plan) -> Result<Box<dyn Session>, LaneError>;
}

/// A lane that is ready to run.
pub trait Session {
    /// Runs `plan` once; the session stays usable if the plan was not about a fault.
    ///
    /// # Errors
    /// When the lane cannot run the plan or failed on the way, for a reason that is not one task's.
    fn run(&mut self, plan: &Plan) -> Result<Outcome, LaneError>;

    /// Ends everything the session started, and waits for it.
    ///
    /// # Errors
    /// When something did not end.
    fn close(self: Box<Self>) -> Result<(), LaneError>;
}
