//! A job: the body to run and everything its tasks need, as data that any lane can hand to its
//! workers.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

/// What the tasks of one measurement run. Task `index` of a job is a function of the job and the
/// index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Every pseudo-random input derives from this and the task's index.
    pub seed: u64,
    /// What a task does.
    pub body: Body,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// Computes.
    Spin(Spin),
    /// Waits.
    Wait(Wait),
    /// Hashes one file.
    TreeHash(TreeHash),
    /// Parses one piece of an access log.
    AccessLog(AccessLog),
    /// Fetches one page.
    Crawl(Crawl),
    /// Folds a tree, by fork and join.
    Fork(Fork),
    /// Computes a grid anew, step after step.
    Stencil(Stencil),
    /// Computes, once what it depends on is done.
    Wavefront(Wavefront),
    /// Hands bytes over.
    Payload(Payload),
    /// Computes, but for one task that goes wrong.
    Fault(Fault),
    /// Makes the lane host itself misbehave, to show that the harness notices.
    Dummy(Dummy),
}

/// Computes for a fixed number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spin {
    /// Steps of the average task.
    pub iterations: u64,
    /// How many tasks there are: some spreads depend on it.
    pub tasks: u64,
    /// How the steps are spread over the tasks.
    pub spread: Spread,
}

/// How work is spread over the tasks of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// All tasks are alike.
    Uniform,
    /// Most are short, one in eight takes four and a half times the average.
    Skewed,
    /// The last task is as long as sixteen others.
    Straggler,
}

/// Waits once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// For how long, in microseconds.
    pub wait_us: u64,
}

/// SHA-256 of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeHash {
    /// A JSON array of paths; task `index` hashes the one at that place.
    pub list: PathBuf,
}

/// One piece of an access log in the combined log format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLog {
    /// The log.
    pub log: PathBuf,
    /// The length of a piece in bytes. A line belongs to the piece in which it begins.
    pub piece_bytes: u64,
    /// What a task gives back.
    pub answer: LogAnswer,
}

/// What a task gives back of its piece of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogAnswer {
    /// A few numbers per status code.
    Aggregates,
    /// One record for every line.
    Records,
}

/// One page of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawl {
    /// Where the site is served.
    pub upstream: SocketAddr,
    /// How many virtual hosts share the pages.
    pub hosts: u32,
    /// How many pages of one virtual host may be asked for at the same time.
    pub per_host: u32,
}

/// A tree that is folded: see [`Tree`](crate::Tree).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fork {
    /// The calls of the naive Fibonacci function; nothing lies in memory.
    Calls {
        /// Its argument.
        n: u32,
    },
    /// Nodes in memory, each of which is worth a word.
    Nodes {
        /// How many.
        nodes: u32,
    },
    /// Nodes in memory, of which the leaves compute.
    Leaves {
        /// How many leaves.
        leaves: u32,
        /// Steps of computing in each.
        iterations: u64,
    },
}

/// A grid whose cells are computed anew in each step: see [`Grid`](crate::Grid).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stencil {
    /// Rows.
    pub rows: u32,
    /// Cells in each row.
    pub columns: u32,
    /// How often all cells are computed anew.
    pub steps: u32,
}

/// Tasks in a square, each of which depends on its neighbours above and to the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wavefront {
    /// Tasks in each row and column.
    pub side: u32,
    /// Steps of each task.
    pub iterations: u64,
}

/// Bytes that are handed to another worker, which answers, again and again: see
/// [`Parcel`](crate::Parcel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// How.
    pub mode: Handover,
    /// How many bytes at a time.
    pub bytes: u64,
    /// How often.
    pub transfers: u64,
}

/// How bytes get from one worker to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handover {
    /// The owner changes, and nothing is copied.
    Move,
    /// The other one gets a copy.
    Clone,
    /// They are encoded as a sequence of numbers, sent, and decoded.
    Serde,
    /// They are sent as one piece.
    Bytes,
    /// They are put into memory that both see, new for each time.
    SharedCreate,
    /// They are put into memory that both see, the same each time.
    SharedReuse,
    /// They are put into memory that both see, which the model keeps and gives out for that.
    Arena,
}

impl Handover {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Move,
        Self::Clone,
        Self::Serde,
        Self::Bytes,
        Self::SharedCreate,
        Self::SharedReuse,
        Self::Arena,
    ];

    /// Its name, as in a [`Point`](crate::workload::Point)'s label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Clone => "clone",
            Self::Serde => "serde",
            Self::Bytes => "bytes",
            Self::SharedCreate => "shared-create",
            Self::SharedReuse => "shared-reuse",
            Self::Arena => "arena",
        }
    }
}

/// Computing with one culprit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Steps of every other task.
    pub iterations: u64,
    /// The task that goes wrong.
    pub culprit: u64,
    /// How it goes wrong.
    pub kind: FaultKind,
}

/// How a task goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// It panics (raises, in languages with exceptions).
    Panic,
    /// It aborts the process it runs in.
    Abort,
    /// It writes to memory it does not own.
    Segfault,
    /// It ends the process it runs in.
    Exit,
    /// It never ends.
    Hang,
    /// It asks for more memory than there are addresses.
    Memory,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Panic, Self::Abort, Self::Segfault, Self::Exit, Self::Hang, Self::Memory];

    /// Its name, as in a [`Point`](crate::workload::Point)'s label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Abort => "abort",
            Self::Segfault => "segfault",
            Self::Exit => "exit",
            Self::Hang => "hang",
            Self::Memory => "memory",
        }
    }
}

/// How a lane host misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dummy {
    /// It reports a digest that is wrong.
    WrongDigest,
    /// It panics outside any task.
    Panic,
    /// It says nothing more.
    Hang,
    /// It dies of a signal.
    Crash,
    /// It prints what is not a message.
    Rubbish,
    /// It cannot set the lane up.
    SetUp,
}

impl Dummy {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::WrongDigest, "wrong-digest"),
        (Self::Panic, "panic"),
        (Self::Hang, "hang"),
        (Self::Crash, "crash"),
        (Self::Rubbish, "rubbish"),
        (Self::SetUp, "set-up"),
    ];
}

/// What the tasks of a job mostly do: what a lane needs to know to say how it can run them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Computing, nothing else.
    Compute,
    /// Waiting for a time.
    Wait,
    /// Reading files and computing.
    Files,
    /// Waiting for the network.
    Network,
    /// Computing, with a task that goes wrong.
    Fault,
    /// Handing data over.
    Transfer,
}

impl Body {
    /// What its tasks mostly do.
    pub const fn nature(&self) -> Nature {
        match self {
            Self::Spin(_)
            | Self::Fork(_)
            | Self::Stencil(_)
            | Self::Wavefront(_)
            | Self::Dummy(_) => Nature::Compute,
            Self::Wait(_) => Nature::Wait,
            Self::TreeHash(_) | Self::AccessLog(_) => Nature::Files,
            Self::Crawl(_) => Nature::Network,
            Self::Fault(_) => Nature::Fault,
            Self::Payload(_) => Nature::Transfer,
        }
    }
}
