//! `run.json`, schema `compare/1`: everything a comparison measured, and what it makes of it.
//!
//! A counter that was not measured is `null`, never 0. Fields may be added within a schema version;
//! readers ignore what they do not know.

use std::collections::BTreeMap;

use common::{
    Digest,
    lane::{Failed, Support},
    protocol::Left,
};
use serde::{Deserialize, Serialize};

use super::judge::{Answer, ClaimResult};

/// The name of the schema.
pub const SCHEMA: &str = "compare/1";

/// One run of `cargo xtask compare`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it began, UTC, ISO 8601.
    pub started: String,
    /// The revision of the sources, with `+` when they were changed; `None` outside a checkout.
    pub revision: Option<String>,
    /// The command line that runs it again.
    pub command: String,
    /// The tier.
    pub tier: String,
    /// The seed of the order of executions.
    pub seed: u64,
    /// Whether everything that was planned was measured.
    pub finish: Finish,
    /// The machine.
    pub environment: BTreeMap<String, String>,
    /// How disturbed the measurements were.
    pub noise: Noise,
    /// What a reader has to know before the results: limits of the machine, a tier that only checks.
    pub warnings: Vec<String>,
    /// What was looked for and not found.
    pub missing: Vec<String>,
    /// Every (workload, point, lane).
    pub cells: Vec<Cell>,
    /// Which lane to use for which question.
    pub answers: Vec<Answer>,
    /// The classic answer's claims, measured.
    pub claims: Vec<ClaimResult>,
}

/// Whether everything that was planned was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// Not: the file was saved on the way, or something failed.
    Running,
    /// All of it.
    Complete,
    /// The user interrupted.
    Interrupted,
}

/// How disturbed the measurements were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Rounds whose foreign CPU use was above the limit, repeated or not.
    pub noisy_rounds: usize,
    /// All rounds that were measured.
    pub rounds: usize,
    /// Median share of the machine that others used.
    pub foreign_cpu: Option<f64>,
    /// That share in each round that took long enough to tell.
    pub foreign_cpu_rounds: Vec<f64>,
    /// The widest A/A half-width that entered a band, as a share: 0.04 is 4 %.
    pub control_half_width: Option<f64>,
}

/// One (workload, point, lane).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// The workload.
    pub workload: String,
    /// The label of the point; empty when there is only one.
    pub point: String,
    /// How large the point is, in words.
    pub size: String,
    /// The lane.
    pub lane: String,
    /// The lane's language.
    pub language: String,
    /// Tasks of the plan; `None`: they are found while it runs.
    pub tasks: Option<u64>,
    /// Time of an average task in nanoseconds, where points differ in it.
    pub grain_ns: Option<u64>,
    /// Whether and how the lane runs it.
    pub support: Support,
    /// Whether its results are right.
    pub verify: Verify,
    /// Executions that went well, quarantined ones among them.
    pub samples: Vec<Sample>,
    /// What became of a fault; only in `fault.matrix`.
    pub fault: Option<FaultResult>,
}

/// Whether the results of a cell are right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// `None`: it was not run.
    pub ok: Option<bool>,
    /// What is right, computed without any lane.
    pub expected: Option<Digest>,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// What is wrong with a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of thing.
    pub kind: ProblemKind,
    /// In words.
    pub why: String,
}

/// What kind of thing is wrong with a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The digest is wrong: its times are not shown.
    WrongDigest,
    /// The lane host died.
    Crashed,
    /// The lane host did not answer in time.
    Timeout,
    /// The lane host sent what is not a message.
    Rubbish,
    /// The lane said that it failed.
    Failed,
}

/// One execution of a cell, in a fresh process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The round it belongs to.
    pub round: usize,
    /// What it is used for.
    pub phase: Phase,
    /// Whether others disturbed its round so much that it is not judged.
    pub quarantined: bool,
    /// Wall-clock time of the run, in nanoseconds.
    pub wall_ns: u64,
    /// Wall-clock time of making the lane ready, in nanoseconds.
    pub open_ns: u64,
    /// Processor time of the host and all its children during the run, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Most memory of the host and all its children during the warm-up run, as the sum of their
    /// proportional set sizes, in bytes.
    pub peak_pss_bytes: Option<u64>,
    /// The same before the lane was made ready.
    pub base_pss_bytes: Option<u64>,
    /// Context switches of the host and all its children during the run.
    pub context_switches: Option<u64>,
    /// Threads, processes or tasks that were really created.
    pub units: u64,
    /// What the lane left behind when it was closed.
    pub left: Option<Left>,
}

/// What a sample is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// To judge.
    Judged,
    /// To know how much two equal lanes differ.
    Control,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultResult {
    /// Healthy tasks whose results came back.
    pub survivors: u64,
    /// Healthy tasks.
    pub healthy: u64,
    /// Whether the lane said which task went wrong, and only that one.
    pub culprit_named: bool,
    /// Tasks that gave nothing back, as far as the lane said so.
    pub failed: Vec<Failed>,
    /// What became of the lane host.
    pub host: HostFate,
    /// How the host ended, where it did, in words.
    pub how: Option<String>,
    /// Whether the same lane then ran healthy work.
    pub recovered: bool,
}

/// What became of the lane host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostFate {
    /// It answered.
    Alive,
    /// It ended with the culprit.
    Died,
    /// It did not answer in time and was killed.
    Hung,
}

impl Run {
    /// The cell of a (workload, point, lane).
    pub fn cell(&self, workload: &str, point: &str, lane: &str) -> Option<&Cell> {
        let is =
            |cell: &&Cell| cell.workload == workload && cell.point == point && cell.lane == lane;
        self.cells.iter().find(is)
    }
}

impl Cell {
    /// The samples that are judged.
    pub fn judged(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.phase == Phase::Judged && !sample.quarantined)
    }

    /// Whether its numbers may be shown: it ran, and every result was right.
    pub fn is_verified(&self) -> bool {
        self.verify.ok == Some(true)
    }
}
