//! What ends a report: how it was made, and where the rest is.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::compare::record::Run;

use super::{
    layout::{Look, Page},
    remarks,
};

/// Problems, environment, noise, what is missing, files, and how to run it again.
pub(super) fn closing(page: &mut Page, run: &Run, files: &[PathBuf]) {
    let problems = remarks::problems(run);
    if !problems.is_empty() {
        page.heading("Problems");
        for problem in problems {
            page.item("  - ", Look::Plain, &problem);
        }
    }
    page.heading("Environment");
    let facts = [
        ("tier", run.tier.clone()),
        ("measured", run.started.clone()),
        ("revision", run.revision.clone().unwrap_or_else(|| "not in a checkout".into())),
    ];
    let facts = facts.iter().map(|(name, value)| (*name, value.as_str()));
    let facts: Vec<(&str, &str)> =
        facts.chain(run.environment.iter().map(|(name, value)| (&**name, &**value))).collect();
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in facts {
        page.item(&format!("  {name:<width$}  "), Look::Plain, value);
    }
    page.heading("Noise");
    for sentence in remarks::noise(run) {
        page.paragraph(2, &sentence);
    }
    if !run.missing.is_empty() {
        page.heading("Missing");
        for missing in &run.missing {
            page.item("  - ", Look::Plain, missing);
        }
    }
    results(page, files, &run.command);
}

/// Where the results are, and the command that made them.
pub(crate) fn results(page: &mut Page, files: &[PathBuf], command: &str) {
    page.heading("Results");
    for file in files {
        page.verbatim(2, &from_here(file).display().to_string());
    }
    page.heading("Again");
    page.verbatim(2, command);
}

/// A path as seen from the current directory, where it lies below it.
fn from_here(path: &Path) -> &Path {
    let here = env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
