//! What every member inherits from the workspace.

use toml::{Table, Value};

use super::{finding::Finding, packages::Package};

/// The keys of `[package]` that have one value for all members.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Checks a member's manifest.
pub(super) fn check(package: &Package) -> Vec<Finding> {
    let path = package.manifest_path();
    let manifest: Table = match package.manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => {
            return vec![Finding::error(&path, 1, format!("is not TOML: {}", error.message()))];
        }
    };
    let from_workspace = |value: Option<&Value>| {
        value.and_then(|value| value.get("workspace")) == Some(&true.into())
    };
    let mut findings = Vec::new();
    for key in INHERITED {
        if !from_workspace(manifest.get("package").and_then(|table| table.get(key))) {
            let message = format!("write `{key}.workspace = true` in [package]");
            findings.push(Finding::error(&path, package.line_of(key), message));
        }
    }
    if !from_workspace(manifest.get("lints")) {
        let message = "the workspace's lints are off; add [lints] with `workspace = true`";
        findings.push(Finding::error(&path, 1, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a good manifest says.
    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version = { workspace = true }\n\
        license.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

    /// Checks this manifest.
    fn findings(manifest: String) -> Vec<Finding> {
        check(&Package { folder: "x".into(), manifest, ..Package::default() })
    }

    #[test]
    fn a_manifest_that_inherits_is_good() {
        assert_eq!(findings(GOOD.into()), []);
    }

    #[test]
    fn what_is_not_inherited_is_found() {
        for (line, key) in [(3, "version"), (4, "edition"), (6, "license"), (7, "publish")] {
            let own =
                GOOD.replace(&format!("\n{key}.workspace = true"), &format!("\n{key} = \"own\""));
            let found = findings(own);
            assert_eq!(found.len(), 1, "{key}: {found:?}");
            assert_eq!(found[0].line, line);
            assert!(found[0].message.contains(key));
        }
        assert_eq!(findings(GOOD.replace("publish.workspace = true\n", "")).len(), 1);
    }

    #[test]
    fn lints_of_its_own_are_found() {
        for lints in ["", "[lints]\nworkspace = false\n", "[lints.rust]\nmissing_docs = \"warn\"\n"]
        {
            let found = findings(GOOD.replace("[lints]\nworkspace = true\n", lints));
            assert_eq!(found.len(), 1, "{lints}: {found:?}");
            assert!(found[0].message.contains("lints"));
        }
    }

    #[test]
    fn what_is_no_manifest_is_found() {
        assert!(findings("[package".into())[0].message.contains("is not TOML"));
    }
}
