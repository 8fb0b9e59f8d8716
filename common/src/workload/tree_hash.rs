//! `real.tree-hash`: SHA-256 of every file under a directory.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{
    Body, Job, TreeHash,
    input::file_list::{self, Bounds, FileList},
    lane::{Plan, Shape},
    rng::mix,
};

use super::{Cache, PlanError, Point, SEED, Setting, Tier, Workload, inputs_folder};

/// The workload.
pub(super) static TREE_HASH: Tree = Tree;

/// See the [module](self).
pub(super) struct Tree;

impl Workload for Tree {
    fn id(&self) -> &'static str {
        "real.tree-hash"
    }

    fn question(&self) -> &'static str {
        "which model reads and computes best?"
    }

    fn about(&self) -> &'static str {
        "SHA-256 of every file under a directory: by default the sources of Rust crates on this \
         machine, or `--files DIR`. This is like a backup, a build cache or a virus scanner. \
         Files must not change meanwhile."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let list = scan(setting)?;
        let mut name = 0;
        for path in &list.paths {
            name = path
                .as_os_str()
                .as_encoded_bytes()
                .iter()
                .fold(name, |name, byte| mix(name ^ u64::from(*byte)));
        }
        let saved = inputs_folder(setting)?.join(format!("tree-{name:016x}.json"));
        file_list::save(&list, &saved).map_err(PlanError::io(&saved))?;
        let tasks = list.paths.len() as u64;
        let job = Job { seed: SEED, body: Body::TreeHash(TreeHash { list: saved }) };
        let plan = Plan { job, shape: Shape::Bag { tasks }, overlap: 0, task_timeout_ms: None };
        let size =
            format!("{tasks} files, {:.1} MB{}", list.bytes as f64 / 1e6, skipped(list.skipped));
        let warm = Point::new("cache=warm", plan.clone(), size.clone());
        if setting.tier != Tier::Full {
            return Ok(vec![warm]);
        }
        let cold =
            Point { cache: Cache::Without(list.paths), ..Point::new("cache=cold", plan, size) };
        Ok(vec![warm, cold])
    }
}

/// A remark on files that were left out.
fn skipped(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", {count} unreadable ones left out") }
}

/// The files to hash.
fn scan(setting: &Setting) -> Result<FileList, PlanError> {
    let bounds = match setting.tier {
        Tier::Smoke => Bounds { files: 64, bytes: 2 << 20 },
        Tier::Quick => Bounds { files: 3_000, bytes: 48 << 20 },
        Tier::Full => Bounds { files: 20_000, bytes: 512 << 20 },
    };
    let directory = match &setting.files {
        Some(directory) => directory.clone(),
        None => sources_on_this_machine(&setting.inputs),
    };
    let list = file_list::scan(&directory, bounds).map_err(PlanError::io(&directory))?;
    if list.paths.is_empty() {
        return Err(PlanError::Input(format!("{}: no readable file in it", directory.display())));
    }
    Ok(list)
}

/// Where sources are found without being told: what Cargo unpacked of the crates this project is
/// built from, else the current directory.
fn sources_on_this_machine(inputs: &Path) -> PathBuf {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let sources = cargo_home.map(|home| home.join("registry").join("src"));
    let here = || env::current_dir().unwrap_or_else(|_| inputs.to_owned());
    sources.filter(|directory| directory.is_dir()).unwrap_or_else(here)
}
