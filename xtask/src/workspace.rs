//! Where the project lies and where it builds to.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The folders of the project.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of the workspace manifest.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Workspace {
    /// The workspace this program was built in. The target folder is the one the program lies in,
    /// so that hosts are built where it was built; a program that was moved uses the usual place.
    pub fn find() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest).to_owned();
        let program = env::current_exe().unwrap_or_default();
        let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
        let target = program.ancestors().find(marked).map(Path::to_owned);
        let target = target.unwrap_or_else(|| root.join("target"));
        Self { root, target }
    }

    /// Where comparisons keep inputs and results.
    pub fn compare_folder(&self) -> PathBuf {
        self.target.join("compare")
    }

    /// Where benches keep results.
    pub fn bench_folder(&self) -> PathBuf {
        self.target.join("bench")
    }

    /// The workspace of the peers.
    pub fn peers_folder(&self) -> PathBuf {
        self.root.join("xtask/peers")
    }
}
