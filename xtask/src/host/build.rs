//! Builds the lane hosts, the upstream stub, and the bench programs.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    error::{Error, Result},
    workspace::Workspace,
};

use super::peers::PeerHost;

/// Packages that are not lane hosts but are needed beside them.
const BESIDE: &str = "load";

/// How the name of a package whose program is a lane host ends.
pub(super) const HOST_SUFFIX: &str = "-lane";

/// The programs that were built.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// The lane hosts.
    pub hosts: Vec<PathBuf>,
    /// Those of the peers; none unless they were asked for.
    pub peers: Vec<PathBuf>,
    /// The upstream stub.
    pub stub: Option<PathBuf>,
    /// Peers that were asked for and cannot be had, in a line each.
    pub absent: Vec<String>,
    /// Where a cluster is, for the hosts that can use one.
    pub cluster: Option<String>,
}

/// Builds every member whose name says that it is a lane host, and the stub, in the profile this
/// program was built in.
///
/// # Errors
/// When Cargo cannot be started or the build fails; what Cargo says goes to standard error.
pub fn build(workspace: &Workspace) -> Result<Built> {
    let mut cargo = cargo_build(&workspace.root);
    cargo.arg("--target-dir").arg(&workspace.target);
    for package in ["threads-lane", "processes-lane", "evented-lane", BESIDE] {
        cargo.args(["--package", package]);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let programs = programs_of(cargo)?
        .ok_or_else(|| Error::failed("the lane hosts do not build; cargo's messages are above"))?;
    let mut built = Built::default();
    for (name, program) in programs {
        if name == BESIDE {
            built.stub = Some(program);
        } else if name.ends_with(HOST_SUFFIX) {
            built.hosts.push(program);
        }
    }
    Ok(built)
}

/// What programs of the peers are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Their times count.
    Times,
    /// Only whether their results are right: that is seen without optimisation too, and many a peer
    /// stands on a hundred crates.
    Results,
}

/// Builds lane hosts of the workspace of peers; those whose times count in the profile this program
/// was built in, like those they are compared with.
///
/// # Errors
/// When Cargo cannot be started or the build fails; what Cargo says goes to standard error.
pub fn build_peer_hosts(
    workspace: &Workspace,
    hosts: &[PeerHost],
    purpose: Purpose,
) -> Result<Vec<PathBuf>> {
    let mut cargo = peers_build(workspace);
    for host in hosts {
        cargo.args(["--package", &host.package]);
    }
    if purpose == Purpose::Times && !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let does_not =
        || Error::failed("the lane hosts of the peers do not build; cargo's messages are above");
    let programs = programs_of(cargo)?.ok_or_else(does_not)?;
    let hosts = programs.into_iter().filter(|(name, _)| name.ends_with(HOST_SUFFIX));
    Ok(hosts.map(|(_, path)| path).collect())
}

/// Builds a bench program of the workspace of peers, optimised whenever its times count: what else
/// would be measured?
///
/// # Errors
/// When Cargo cannot be started or the build fails; what Cargo says goes to standard error.
pub fn build_peer(workspace: &Workspace, package: &str, purpose: Purpose) -> Result<PathBuf> {
    let mut cargo = peers_build(workspace);
    cargo.args(["--package", package]);
    if purpose == Purpose::Times {
        cargo.arg("--release");
    }
    let does_not =
        || Error::failed(format!("{package} does not build; cargo's messages are above"));
    let programs = programs_of(cargo)?.ok_or_else(does_not)?;
    let program = programs.into_iter().find(|(name, _)| name == package);
    program.map(|(_, path)| path).ok_or_else(|| Error::failed(format!("{package} is no program")))
}

/// A build of programs in the workspace of peers, to the project's target folder: the crates of others
/// that both workspaces use are built once.
fn peers_build(workspace: &Workspace) -> Command {
    let mut cargo = cargo_build(&workspace.peers_folder());
    cargo.arg("--target-dir").arg(&workspace.target);
    cargo
}

/// A build of programs, in this folder.
fn cargo_build(folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let arguments = ["build", "--bins", "--message-format=json-render-diagnostics"];
    cargo.current_dir(folder).args(arguments);
    cargo
}

/// Names and paths of the programs that a build made; `None`: it failed.
fn programs_of(mut cargo: Command) -> Result<Option<Vec<(String, PathBuf)>>> {
    let cannot = |error| Error::failed(format!("failed to start cargo: {error}"));
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let messages = child.stdout.take().expect("standard output is piped");
    let lines = BufReader::new(messages).lines().map_while(std::result::Result::ok);
    let programs = lines.filter_map(|line| program_of(&line)).collect();
    let status = child.wait().map_err(cannot)?;
    Ok(status.success().then_some(programs))
}

/// Name and path of the program that a message of Cargo announces, if it does.
fn program_of(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let program = PathBuf::from(message["executable"].as_str()?);
    Some((message["target"]["name"].as_str()?.to_owned(), program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let line =
            r#"{"reason":"compiler-artifact","target":{"name":"x-lane"},"executable":"/t/x-lane"}"#;
        assert_eq!(program_of(line), Some(("x-lane".into(), "/t/x-lane".into())));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"x"},"executable":null}"#;
        assert_eq!(program_of(library), None);
        assert_eq!(program_of("not json"), None);
    }
}
