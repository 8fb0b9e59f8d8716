//! `cargo xtask tidy`: the rules of the house that a program can check.
//!
//! Each rule is a function from what it looks at to [`Finding`]s and lives in a file of its own,
//! beside tests that plant what it forbids. CONTRIBUTING.md says why the rules are there.

mod documents;
mod examples;
mod finding;
mod manifests;
mod packages;
mod peers;
mod reach;
mod rust;
mod size;
mod test_modules;
mod text;
mod tree;
mod unsafe_files;

use std::io::{Write, stdout};

use crate::{
    error::{Error, Result},
    exit::Exit,
    workspace::Workspace,
};

pub use self::finding::{Finding, Severity};
use self::{packages::Package, tree::Tree};

/// The models: the crates that share names, and know nothing of each other.
pub(crate) const MODELS: [&str; 3] = ["threads", "processes", "evented"];

/// Checks the workspace and lists what was found on standard output.
///
/// # Errors
/// When the files or the packages of the workspace cannot be read.
pub fn tidy() -> Result<Exit> {
    let workspace = Workspace::find();
    let tree = Tree::read(&workspace.root)?;
    let packages = packages::read(&workspace.root)?;
    let findings = check(&tree, &packages);
    show(&findings, tree.len(), packages.len())
        .map_err(|error| Error::failed(format!("failed to write to standard output: {error}")))?;
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if wrong { Exit::Failed } else { Exit::Ok })
}

/// Everything that the rules find, in the order of files and lines.
fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        findings.extend(reach::check(package));
        findings.extend(manifests::check(package));
        findings.extend(documents::sentence(package, tree));
        findings.extend(test_modules::check(package, tree));
    }
    findings.extend(peers::check(tree, packages));
    for file in tree.files() {
        findings.extend(text::check(file));
        findings.extend(size::check(file));
    }
    findings.extend(rust::check(tree, unsafe_files::UNSAFE_FILES));
    findings.extend(documents::lengths(tree));
    findings.extend(examples::check(tree));
    findings.sort();
    findings
}

/// Lists the findings, the errors last, and counts them.
fn show(findings: &[Finding], files: usize, packages: usize) -> std::io::Result<()> {
    let mut out = stdout().lock();
    let of = |severity| findings.iter().filter(move |finding| finding.severity == severity);
    for severity in [Severity::Warning, Severity::Error] {
        for finding in of(severity) {
            writeln!(out, "{finding}")?;
        }
    }
    let (errors, warnings) = (of(Severity::Error).count(), of(Severity::Warning).count());
    writeln!(
        out,
        "tidy: {files} files and {packages} packages, {errors} errors, {warnings} warnings"
    )
}
