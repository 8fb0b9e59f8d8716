//! The workspace of the peers: by the same rules as the project, and apart from it.
//!
//! Its packages are read from their manifests, not asked of Cargo: that would need all the peers to
//! be downloaded for a check of text.

use toml::{Table, Value};

use super::{
    documents,
    finding::Finding,
    manifests,
    packages::{Dependency, Need, Package},
    reach,
    tree::{File, Tree},
};

/// The folder of the workspace.
const FOLDER: &str = "xtask/peers";

/// The tables of `[workspace]` that are the same as the project's.
const SAME: [&str; 2] = ["package", "lints"];

/// Checks the workspace of the peers, and that none of the project's `packages` needs any of it.
pub(super) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let peers = members(tree);
    let mut findings = same_tables(tree);
    for peer in &peers {
        findings.extend(manifests::check(peer));
        findings.extend(documents::sentence(peer, tree));
        findings.extend(reach::check_peer(peer));
    }
    for package in packages {
        let needed = package.dependencies.iter().filter(|found| {
            // Their names are theirs alone, so a name is enough to know one.
            peers.iter().any(|peer| peer.name == found.name)
        });
        findings.extend(needed.map(|found| {
            let message = format!(
                "{} must not depend on {}: the project stands without its peers; start the program",
                package.name, found.name
            );
            Finding::error(&package.manifest_path(), package.line_of(&found.name), message)
        }));
    }
    findings
}

/// Compares the tables that both workspaces have.
fn same_tables(tree: &Tree) -> Vec<Finding> {
    let path = format!("{FOLDER}/Cargo.toml");
    let (Some(root), Some(peers)) = (workspace_of(tree, "Cargo.toml"), workspace_of(tree, &path))
    else {
        return Vec::new();
    };
    let differs = SAME.into_iter().filter(|table| root.get(*table) != peers.get(*table));
    let finding = |table| {
        let message =
            format!("[workspace.{table}] is another than in Cargo.toml; make them the same");
        Finding::error(&path, 1, message)
    };
    differs.map(finding).collect()
}

/// The table `[workspace]` of a manifest.
fn workspace_of(tree: &Tree, path: &str) -> Option<Table> {
    let manifest: Table = tree.get(path)?.text.parse().ok()?;
    Some(manifest.get("workspace")?.as_table()?.clone())
}

/// The packages of the workspace.
fn members(tree: &Tree) -> Vec<Package> {
    let is_manifest = |file: &&File| {
        let inner =
            file.path.strip_prefix(FOLDER).and_then(|path| path.strip_suffix("/Cargo.toml"));
        inner.is_some_and(|folder| !folder.is_empty())
    };
    tree.under(FOLDER).filter(is_manifest).map(|file| member(file, tree)).collect()
}

/// The package with this manifest.
fn member(file: &File, tree: &Tree) -> Package {
    let folder = file.path.trim_end_matches("/Cargo.toml").to_owned();
    // What is no TOML is found by the rule on manifests.
    let manifest: Table = file.text.parse().unwrap_or_default();
    let text = |key| Some(manifest.get("package")?.get(key)?.as_str()?.to_owned());
    let library = format!("{folder}/src/lib.rs");
    let dependencies = |table: &str, need| {
        let names = manifest.get(table).and_then(Value::as_table).into_iter().flat_map(Table::keys);
        names.map(move |name| Dependency { name: name.clone(), need }).collect::<Vec<_>>()
    };
    let needs = [("dependencies", Need::Always), ("dev-dependencies", Need::Tests)];
    Package {
        name: text("name").unwrap_or_default(),
        description: text("description"),
        library: tree.get(&library).map(|_| library),
        dependencies: needs.map(|(table, need)| dependencies(table, need)).concat(),
        manifest: file.text.clone(),
        folder,
        ..Package::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tree::planted, *};

    /// What both workspaces say.
    const SHARED: &str = "[workspace.package]\nedition = \"2024\"\n[workspace.lints.rust]\nx = 1\n";

    /// The manifest of a good peer.
    const GOOD: &str = "[package]\nname = \"a-bench\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
        publish.workspace = true\n[lints]\nworkspace = true\n[dependencies]\n\
        rayon.workspace = true\nthreads.workspace = true\n";

    /// What is found when the peers' workspace and one peer say this.
    fn findings(workspace: &str, manifest: &str, packages: &[Package]) -> Vec<Finding> {
        let tree = planted([
            ("Cargo.toml", SHARED),
            ("xtask/peers/Cargo.toml", workspace),
            ("xtask/peers/a-bench/Cargo.toml", manifest),
        ]);
        check(&tree, packages)
    }

    #[test]
    fn a_peer_may_need_models_and_what_they_are_measured_against() {
        assert_eq!(findings(SHARED, GOOD, &[]), []);
    }

    #[test]
    fn lints_and_package_tables_that_differ_are_found() {
        for (from, table) in [("x = 1", "lints"), ("2024", "package")] {
            let found = findings(&SHARED.replace(from, &from.replace(['1', '4'], "2")), GOOD, &[]);
            assert_eq!(found.len(), 1, "{table}: {found:?}");
            assert!(found[0].message.contains(&format!("[workspace.{table}]")), "{found:?}");
        }
    }

    #[test]
    fn a_peer_that_needs_the_harness_or_inherits_nothing_is_found() {
        for (from, to, words) in [
            ("rayon", "xtask", "must not depend on xtask"),
            ("rayon", "common", "must not depend on common"),
            ("rayon", "threads-lane", "must not depend on threads-lane"),
            ("license.workspace = true", "license = \"MIT\"", "license.workspace"),
        ] {
            let found = findings(SHARED, &GOOD.replace(from, to), &[]);
            assert_eq!(found.len(), 1, "{to}: {found:?}");
            assert!(found[0].message.contains(words), "{found:?}");
            assert_eq!(found[0].path, "xtask/peers/a-bench/Cargo.toml");
        }
    }

    #[test]
    fn a_lane_host_of_peers_needs_the_shared_work_and_no_model() {
        let host = GOOD.replace("a-bench", "a-lane").replace("threads.", "common.");
        assert_eq!(findings(SHARED, &host, &[]), []);
        for name in ["threads", "xtask", "threads-lane"] {
            let found = findings(SHARED, &host.replace("rayon", name), &[]);
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            let words = format!("a-lane must not depend on {name}: a lane host of peers");
            assert!(found[0].message.contains(&words), "{found:?}");
        }
    }

    #[test]
    fn a_lane_host_of_peers_may_set_up_the_model_that_its_name_begins_with() {
        let host = GOOD.replace("a-bench", "processes-x-lane").replace("threads.", "processes.");
        assert_eq!(findings(SHARED, &host, &[]), []);
        let found = findings(SHARED, &host.replace("processes.w", "threads.w"), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("must not depend on threads"), "{found:?}");
    }

    #[test]
    fn a_member_that_needs_a_peer_is_found() {
        let dependency = Dependency { name: "a-bench".into(), need: Need::Tests };
        let member = Package {
            name: "xtask".into(),
            folder: "xtask".into(),
            dependencies: vec![dependency],
            ..Package::default()
        };
        let found = findings(SHARED, GOOD, &[member]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("xtask must not depend on a-bench"), "{found:?}");
    }
}
