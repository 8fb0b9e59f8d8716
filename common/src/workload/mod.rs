//! The workloads: named, verified pieces of work, the same for all lanes. Each is data: points with
//! a plan each.

mod access_log;
mod coarse;
mod crawl;
mod dummy;
mod fault_matrix;
mod fine;
mod payload;
mod reference;
mod spawn;
mod stencil;
mod tree;
mod tree_hash;
mod waits;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{lane::Plan, site::Site};

pub use reference::{ReferenceError, reference};

/// The seed of every workload's inputs.
pub const SEED: u64 = 0x7269_7074_7963_6831;

/// How thorough a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Small inputs, for checking that everything is right.
    Smoke,
    /// What fits a first answer.
    Quick,
    /// Everything.
    Full,
}

/// What points are made for.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How thorough.
    pub tier: Tier,
    /// Time of one [`spin`](crate::body::spin) step in the language that will run it, in
    /// nanoseconds.
    pub ns_per_iteration: f64,
    /// Where inputs are kept; made when it is missing.
    pub inputs: PathBuf,
    /// The directory to hash, if the user named one.
    pub files: Option<PathBuf>,
}

/// One measurement of a workload: a plan, and what is needed around it.
#[derive(Clone, Debug)]
pub struct Point {
    /// What distinguishes it within the workload, for example `tasks=100`; empty when there is only
    /// one.
    pub label: String,
    /// What lanes run.
    pub plan: Plan,
    /// The site that has to be served for it.
    pub site: Option<Site>,
    /// What the page cache should hold when it starts.
    pub cache: Cache,
    /// How large it is, in words: "512 files, 40 MB".
    pub size: String,
    /// The time of an average task, in nanoseconds, where points differ in it.
    pub grain_ns: Option<u64>,
}

impl Point {
    /// A point of this plan, with nothing around it.
    fn new(label: impl Into<String>, plan: Plan, size: impl Into<String>) -> Self {
        let (label, size) = (label.into(), size.into());
        Self { label, plan, site: None, cache: Cache::AsItIs, size, grain_ns: None }
    }
}

/// What the page cache should hold when a sample starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Whatever it holds.
    AsItIs,
    /// None of these files.
    Without(Vec<PathBuf>),
}

/// Why a workload has no points here.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file or directory it needs.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the user asked for does not suit it.
    #[error("{0}")]
    Input(String),
}

impl PlanError {
    /// Turns an I/O error into one that names `path`.
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// A named, verified piece of work.
pub trait Workload: Sync {
    /// Its name, `family.name`.
    fn id(&self) -> &'static str;

    /// What it asks, as a question.
    fn question(&self) -> &'static str;

    /// What real job it is like, or which mechanism it isolates, in a sentence or two.
    fn about(&self) -> &'static str;

    /// Its points in `setting`. Labels, and their order, depend on the tier only.
    ///
    /// # Errors
    /// When an input cannot be made or read.
    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError>;
}

/// Every workload, in the order in which reports show them.
pub static ALL: &[&dyn Workload] = &[
    &tree_hash::TREE_HASH,
    &access_log::ACCESS_LOG,
    &crawl::CRAWL,
    &coarse::COARSE,
    &fine::FINE,
    &tree::TREE,
    &stencil::STENCIL,
    &spawn::SPAWN,
    &waits::WAITS,
    &payload::PAYLOAD,
    &fault_matrix::FAULT_MATRIX,
    &dummy::DUMMIES[0],
    &dummy::DUMMIES[1],
    &dummy::DUMMIES[2],
    &dummy::DUMMIES[3],
    &dummy::DUMMIES[4],
    &dummy::DUMMIES[5],
];

/// The workload called `id`.
pub fn find(id: &str) -> Option<&'static dyn Workload> {
    ALL.iter().copied().find(|workload| workload.id() == id)
}

/// Spin steps that take about `ns` at `ns_per_iteration`; at least 1.
fn iterations(ns: f64, ns_per_iteration: f64) -> u64 {
    // A float to integer cast saturates; the range is far below.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturating is right"
    )]
    let count = (ns / ns_per_iteration).round() as u64;
    count.max(1)
}

/// The folder for inputs, made if it is missing.
fn inputs_folder(setting: &Setting) -> Result<&Path, PlanError> {
    std::fs::create_dir_all(&setting.inputs).map_err(PlanError::io(&setting.inputs))?;
    Ok(&setting.inputs)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_questions_asked() {
        let ids: HashSet<_> = ALL.iter().map(|workload| workload.id()).collect();
        assert_eq!(ids.len(), ALL.len());
        for workload in ALL {
            assert!(workload.question().ends_with('?'), "{}", workload.id());
            assert!(find(workload.id()).is_some());
        }
    }

    #[test]
    fn labels_are_unique_within_a_workload() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a-file"), "text").unwrap();
        for workload in ALL {
            let setting = Setting {
                tier: Tier::Smoke,
                ns_per_iteration: 1.0,
                inputs: folder.path().join("inputs"),
                files: Some(folder.path().to_owned()),
            };
            let points = workload.points(&setting).unwrap();
            let labels: HashSet<_> = points.iter().map(|point| &point.label).collect();
            assert!(!points.is_empty() && labels.len() == points.len(), "{}", workload.id());
        }
    }
}
