//! The packages of the workspace, as Cargo and their manifests describe them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
    path::Path,
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::error::{Error, Result};

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its folder, relative to the root.
    pub(super) folder: String,
    /// What its manifest says it is.
    pub(super) description: Option<String>,
    /// Its manifest as it is written.
    pub(super) manifest: String,
    /// The source of its library, relative to the root, if it has one.
    pub(super) library: Option<String>,
    /// What its manifest depends on.
    pub(super) dependencies: Vec<Dependency>,
    /// All packages that come with it when somebody depends on it, each with the package that
    /// depends on it.
    pub(super) closure: BTreeMap<String, String>,
}

/// A dependency that a manifest declares.
#[derive(Clone, Debug)]
pub(super) struct Dependency {
    /// The package.
    pub(super) name: String,
    /// What it is needed for.
    pub(super) need: Need,
}

/// What a dependency is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The package itself, always.
    Always,
    /// The package itself, with a feature that is off unless asked for or on by default.
    Optional,
    /// Its tests, examples and benches.
    Tests,
}

impl Package {
    /// The path of its manifest, relative to the root.
    pub(super) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// The line of the manifest on which `word` begins a key, or else the first one.
    pub(super) fn line_of(&self, word: &str) -> usize {
        let is_key = |line: &str| {
            let rest = line.trim_start().strip_prefix(word);
            rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        };
        self.manifest.lines().position(is_key).map_or(1, |index| index + 1)
    }
}

/// Asks Cargo for the members of the workspace.
///
/// # Errors
/// When Cargo fails, or a manifest cannot be read.
pub(super) fn read(root: &Path) -> Result<Vec<Package>> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml"));
    let metadata = command
        .exec()
        .map_err(|error| Error::failed(format!("failed to ask cargo for its packages: {error}")))?;
    metadata.workspace_packages().into_iter().map(|package| convert(package, &metadata)).collect()
}

/// Keeps what the rules look at.
fn convert(package: &cargo_metadata::Package, metadata: &Metadata) -> Result<Package> {
    let root = metadata.workspace_root.as_std_path();
    let path = package.manifest_path.as_std_path();
    let relative =
        |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let library = package.targets.iter().find(|target| target.is_lib());
    let dependencies = package.dependencies.iter().map(|dependency| Dependency {
        name: dependency.name.clone(),
        need: match dependency.kind {
            DependencyKind::Development => Need::Tests,
            _ if dependency.optional => Need::Optional,
            _ => Need::Always,
        },
    });
    Ok(Package {
        name: package.name.to_string(),
        folder: relative(path.parent().unwrap_or(path)),
        description: package.description.clone(),
        manifest: fs::read_to_string(path).map_err(Error::io("read", path))?,
        library: library.map(|target| relative(target.src_path.as_std_path())),
        dependencies: dependencies.collect(),
        closure: closure(&package.id, metadata),
    })
}

/// What is built when only this package is, found breadth first so that the way to each is short.
fn closure(of: &PackageId, metadata: &Metadata) -> BTreeMap<String, String> {
    let names: HashMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let nodes: HashMap<_, _> = nodes.map(|node| (&node.id, node)).collect();
    let mut found = BTreeMap::new();
    let (mut seen, mut next) = (BTreeSet::from([of]), VecDeque::from([of]));
    while let Some(id) = next.pop_front() {
        for dependency in nodes.get(id).iter().flat_map(|node| &node.deps) {
            let tests =
                |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Development;
            if !dependency.dep_kinds.iter().all(tests) && seen.insert(&dependency.pkg) {
                found.insert(names[&dependency.pkg].clone(), names[id].clone());
                next.push_back(&dependency.pkg);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_understood() {
        let packages = read(&crate::workspace::Workspace::find().root).unwrap();
        let named = |name| packages.iter().find(|package| package.name == name).unwrap();
        let lane = named("threads-lane");
        assert_eq!(lane.folder, "threads/lane");
        assert_eq!(lane.closure["crossbeam-deque"], "threads");
        assert!(!lane.closure.contains_key("criterion"), "what tests need comes with nothing");
        let xtask = named("xtask");
        assert_eq!(xtask.library.as_deref(), Some("xtask/src/lib.rs"));
        let need = |name| xtask.dependencies.iter().find(|found| found.name == name).unwrap().need;
        assert_eq!((need("common"), need("tempfile")), (Need::Always, Need::Tests));
        let number = xtask.line_of("common");
        assert_eq!(xtask.manifest.lines().nth(number - 1), Some("common.workspace = true"));
    }
}
