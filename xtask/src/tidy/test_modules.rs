//! The models share the names of their test modules, so that a gap is visible as a missing name.

use super::{MODELS, finding::Finding, packages::Package, tree::Tree};

/// The modules that each model may have.
const SHARED: [&str; 17] = [
    "drop",
    "examples",
    "faults",
    "handle",
    "leaks",
    "lock",
    "main",
    "map",
    "panic",
    "queue",
    "send_sync",
    "shutdown",
    "smoke",
    "spawn",
    "stress",
    "support",
    "wakeup",
];

/// The modules that only one model has, for only it has what they test.
const OWN: [(&str, &[&str]); 3] = [
    (
        "threads",
        &[
            "blocking",
            "bound",
            "broken",
            "callbacks",
            "cancel",
            "execute",
            "executor",
            "fork",
            "inline",
            "local",
            "priority",
            "resize",
            "slices",
            "wait",
        ],
    ),
    (
        "processes",
        &[
            "actor",
            "broken",
            "callbacks",
            "channel",
            "distributed",
            "executor",
            "interrupt",
            "ipc_channel",
            "nested",
            "payload",
            "python",
            "resize",
            "retry",
            "select",
            "shared",
            "wait",
        ],
    ),
    (
        "evented",
        &[
            "callbacks",
            "cancel",
            "cores",
            "embed",
            "load",
            "net",
            "priority",
            "process",
            "protocol",
            "record",
            "signal",
            "stdio",
            "time",
        ],
    ),
];

/// Checks the integration tests of a model.
pub(super) fn check(package: &Package, tree: &Tree) -> Vec<Finding> {
    if !MODELS.contains(&package.name.as_str()) {
        return Vec::new();
    }
    let own = OWN.iter().find(|(name, _)| *name == package.name).map_or(&[][..], |(_, own)| own);
    let folder = format!("{}/tests/it", package.folder);
    let mut findings = Vec::new();
    for file in tree.under(&folder).filter(|file| file.is_rust()) {
        let inside = &file.path[folder.len() + 1..];
        let name = inside.split(['/', '.']).next().unwrap_or(inside);
        if !SHARED.contains(&name) && !own.contains(&name) {
            let message = format!(
                "{name} is not a test module of the models; put the tests where the others have \
                 them, or add the name to xtask/src/tidy/test_modules.rs"
            );
            findings.push(Finding::error(&file.path, 1, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::planted, *};

    #[test]
    fn a_name_that_is_not_shared_is_found() {
        let tree = planted([
            ("threads/tests/it/main.rs", ""),
            ("threads/tests/it/stress.rs", ""),
            ("threads/tests/it/net.rs", ""),
            ("threads/tests/loom/main.rs", ""),
            ("evented/tests/it/net.rs", ""),
            ("common/tests/it/anything.rs", ""),
        ]);
        let of = |name: &str| {
            let package = Package { name: name.into(), folder: name.into(), ..Package::default() };
            check(&package, &tree)
        };
        let found = of("threads");
        assert_eq!((found.len(), found[0].path.as_str()), (1, "threads/tests/it/net.rs"));
        assert_eq!((of("evented"), of("common")), (vec![], vec![]));
    }
}
