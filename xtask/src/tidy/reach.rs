//! Which package may depend on which: nothing of the comparison comes with a model.
//!
//! ```text
//! model          -> no other member, unless an optional feature says so; never what the
//!                   comparison stands on
//! common         -> no other member
//! <model>-lane   -> models, common
//! xtask, load    -> common
//! a bench program, outside of the workspace -> models
//! a lane host, outside of the workspace     -> common, and the model that its name begins with
//! ```
//!
//! Tests and benches of a model may use the shared work (`common`) and the other models.

use super::{
    MODELS,
    finding::Finding,
    packages::{Dependency, Need, Package},
};

/// What the comparison stands on and a model must not bring along.
const COMPARISON: [&str; 3] = ["common", "clap", "serde_json"];

/// The members that are not a model, nor the lane host of one.
const OTHERS: [&str; 3] = ["common", "load", "xtask"];

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// One of [`MODELS`].
    Model,
    /// The shared work.
    Common,
    /// A lane host of a model.
    Lane,
    /// The harness, or the load generator beside it.
    Harness,
}

/// The role of the member with this name.
fn role(name: &str) -> Option<Role> {
    if MODELS.contains(&name) {
        Some(Role::Model)
    } else if is_lane(name) {
        Some(Role::Lane)
    } else if name == "common" {
        Some(Role::Common)
    } else {
        OTHERS.contains(&name).then_some(Role::Harness)
    }
}

/// Whether a member with this name is the lane host of a model.
fn is_lane(name: &str) -> bool {
    name.strip_suffix("-lane").is_some_and(|model| MODELS.contains(&model))
}

/// Checks what a member depends on.
pub(super) fn check(package: &Package) -> Vec<Finding> {
    let path = package.manifest_path();
    let Some(role) = role(&package.name) else {
        let line = package.line_of("name");
        let message = "this member has no role; say in xtask/src/tidy/reach.rs what it is for and \
                       what it may depend on";
        return vec![Finding::error(&path, line, message)];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        if let Some(why) = objection(package, role, &dependency.name, dependency.need) {
            let line = package.line_of(&dependency.name);
            let message = format!("{} must not depend on {}: {why}", package.name, dependency.name);
            findings.push(Finding::error(&path, line, message));
        }
    }
    if role == Role::Model {
        findings.extend(hidden(package, &path));
    }
    findings
}

/// Checks what a package of the workspace of peers depends on: models are measured there by what
/// they offer to anybody, and peers run the shared work without the help of a model; but a model that is
/// set up with what is no part of the project (`processes-nats-lane`) is a peer, too.
pub(super) fn check_peer(package: &Package) -> Vec<Finding> {
    let is_host = package.name.ends_with("-lane");
    let own = package.name.split('-').next().unwrap_or_default();
    let foreign_to_host =
        |name: &str| is_ours(name) && name != "common" || MODELS.contains(&name) && name != own;
    let (is_foreign, why): (&dyn Fn(&str) -> bool, _) = if is_host {
        (
            &foreign_to_host,
            "a lane host of peers knows the shared work, peers, and its own model only",
        )
    } else {
        (&is_ours, "a bench program knows models and peers only")
    };
    let foreign = package.dependencies.iter().filter(|found| is_foreign(&found.name));
    let finding = |dependency: &Dependency| {
        let message = format!("{} must not depend on {}: {why}", package.name, dependency.name);
        Finding::error(&package.manifest_path(), package.line_of(&dependency.name), message)
    };
    foreign.map(finding).collect()
}

/// Whether a package of this name is a lane host of a model, or of the comparison.
fn is_ours(name: &str) -> bool {
    is_lane(name) || OTHERS.contains(&name)
}

/// Why a member with this role must not depend on this package.
fn objection(package: &Package, role: Role, on: &str, need: Need) -> Option<&'static str> {
    let is_model = MODELS.contains(&on);
    let is_member = is_model || is_lane(on) || OTHERS.contains(&on);
    match role {
        _ if is_lane(on) => Some("a lane host is a program; start it"),
        Role::Model if need == Need::Tests && (is_model || COMPARISON.contains(&on)) => None,
        Role::Model if need == Need::Optional && is_model => None,
        Role::Model if is_model => Some("models know nothing of each other; make it optional"),
        Role::Model if is_member || COMPARISON.contains(&on) => {
            Some("nothing of the comparison comes with a model; move the code to its lane host")
        }
        Role::Common if is_member => Some("the work is the same for all lanes; let the lane do it"),
        Role::Common if on == "clap" => Some("only xtask has a command line of its own"),
        Role::Lane if on == package.name.trim_end_matches("-lane") || on == "common" => None,
        Role::Lane if is_member && !is_model => {
            Some("a lane host knows the shared work and models only")
        }
        Role::Harness if is_member && on != "common" => {
            Some("the harness starts programs and links no model; speak the lane protocol")
        }
        _ => None,
    }
}

/// What comes with a model through other packages although it must not.
fn hidden<'a>(package: &'a Package, path: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let declared = |name: &str| package.dependencies.iter().any(|found| found.name == name);
    let unwanted = package.closure.iter().filter(move |(name, _)| {
        let name = name.as_str();
        !declared(name) && (MODELS.contains(&name) || COMPARISON.contains(&name))
    });
    unwanted.map(move |(name, by)| {
        let message = format!(
            "{name} comes with {} through {by}; turn off the feature that needs it, or replace {by}",
            package.name
        );
        Finding::error(path, package.line_of(by), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A member with one dependency, on the third line of its manifest.
    fn member(name: &str, on: &str, need: Need) -> Package {
        Package {
            name: name.into(),
            folder: "x".into(),
            manifest: format!("name = \"{name}\"\n[dependencies]\n{on}.workspace = true\n"),
            dependencies: vec![Dependency { name: on.into(), need }],
            ..Package::default()
        }
    }

    #[test]
    fn planted_dependencies_are_found_on_their_line() {
        use Need::{Always, Optional, Tests};
        for (name, on, need) in [
            ("threads", "processes", Always),
            ("threads", "common", Always),
            ("evented", "clap", Always),
            ("evented", "serde_json", Optional),
            ("processes", "xtask", Tests),
            ("processes", "threads-lane", Tests),
            ("common", "threads", Tests),
            ("common", "clap", Always),
            ("threads-lane", "load", Always),
            ("threads-lane", "xtask", Tests),
            ("threads-lane", "evented-lane", Always),
            ("xtask", "threads", Always),
            ("xtask", "evented", Tests),
            ("xtask", "threads-lane", Always),
            ("load", "evented", Always),
        ] {
            let findings = check(&member(name, on, need));
            assert_eq!(findings.len(), 1, "{name} on {on}: {findings:?}");
            assert_eq!((findings[0].path.as_str(), findings[0].line), ("x/Cargo.toml", 3));
            assert!(findings[0].message.contains(on), "{findings:?}");
        }
    }

    #[test]
    fn the_direction_of_the_project_is_allowed() {
        use Need::{Always, Optional, Tests};
        for (name, on, need) in [
            ("threads", "crossbeam-deque", Always),
            ("threads", "common", Tests),
            ("processes", "threads", Tests),
            ("processes", "evented", Optional),
            ("common", "serde_json", Always),
            ("threads-lane", "threads", Always),
            ("evented-lane", "threads", Always),
            ("evented-lane", "common", Always),
            ("xtask", "common", Always),
            ("xtask", "clap", Always),
            ("load", "common", Always),
        ] {
            assert_eq!(check(&member(name, on, need)), [], "{name} on {on}");
        }
    }

    #[test]
    fn what_comes_through_another_package_is_found() {
        let mut package = member("threads", "helper", Need::Always);
        package.closure.insert("helper".into(), "threads".into());
        assert_eq!(check(&package), []);
        package.closure.insert("serde_json".into(), "helper".into());
        let findings = check(&package);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
        assert!(findings[0].message.contains("serde_json comes with threads through helper"));
    }

    #[test]
    fn a_member_without_a_role_is_found() {
        let findings = check(&member("surprise", "serde", Need::Always));
        assert!(findings[0].message.contains("no role"), "{findings:?}");
    }
}
