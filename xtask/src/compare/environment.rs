//! The machine and the sources a run was made with.

use std::{
    collections::BTreeMap,
    env,
    process::{Command, Stdio},
    time::SystemTime,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    error::{Error, Result},
    host::{Directory, HostEntry},
    measure,
    workspace::Workspace,
};

use common::workload::Tier;

use super::options::Options;

/// Now, UTC, ISO 8601 to the second.
pub(crate) fn now_utc() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// The revision of the sources, with `+` when they were changed; `None` outside a checkout or
/// without git.
pub(crate) fn revision(workspace: &Workspace) -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(&workspace.root)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let output = command.output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let revision = git(&["rev-parse", "--short=10", "HEAD"])?.trim().to_owned();
    let changed = !git(&["status", "--porcelain"])?.trim().is_empty();
    Some(if changed { revision + "+" } else { revision })
}

/// The command line that runs the same again.
pub(crate) fn command_line() -> String {
    let arguments = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let arguments = arguments.map(|argument| quoted(without_password(&argument)));
    ["cargo xtask".to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell takes it.
fn quoted(argument: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,+:".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// An argument as it may be kept: who speaks to a server, and how that is proved, is left out of its URL.
fn without_password(argument: &str) -> String {
    let server = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://{server}"),
        _ => url.to_owned(),
    };
    argument.split(',').map(server).collect::<Vec<_>>().join(",")
}

/// What is worth knowing about the machine, and about what is compared on it.
pub(super) fn describe(options: &Options, directory: &Directory) -> BTreeMap<String, String> {
    let mut known = machine();
    known.insert("workers".into(), options.workers.to_string());
    let host = |host: &HostEntry| (format!("host {}", host.name), host.runtime.clone());
    known.extend(directory.hosts.iter().map(host));
    known
}

/// What is worth knowing about the machine.
pub(crate) fn machine() -> BTreeMap<String, String> {
    let (machine, limits) = (measure::Environment::read(), measure::Limits::read());
    let facts = [
        ("cpu", machine.cpu_model),
        ("kernel", Some(machine.kernel)),
        ("governor", machine.governor),
        ("machine", machine.machine.map(|machine| format!("{machine:?}").to_lowercase())),
        ("cores", limits.available_parallelism.map(|cores| cores.to_string())),
        ("cpu quota", limits.cpu_quota.map(|cores| format!("{cores:.2} cores"))),
        ("memory limit", limits.memory_max.map(|bytes| format!("{} MiB", bytes >> 20))),
        ("descriptors", limits.nofile_soft.map(|count| count.to_string())),
        ("rustc", rustc_version()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The version of the compiler that builds the lane hosts.
fn rustc_version() -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").stdin(Stdio::null()).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().trim_start_matches("rustc ").to_owned())
}

/// What a reader has to know before the results.
pub(super) fn warnings(options: &Options) -> Vec<String> {
    let mut warnings = Vec::new();
    if options.tier == Tier::Smoke {
        let smoke = "SMOKE TIER: it checks that results are right; its inputs are too small for its \
                     times to say much.";
        warnings.push(smoke.to_owned());
    }
    warnings.extend(measure::Limits::read().cpu_quota.and_then(low_quota));
    warnings
}

/// What is said of a CPU quota of so many cores, if it is too low to measure under.
fn low_quota(cores: f64) -> Option<String> {
    (cores < 1.0).then(|| {
        format!(
            "CPU QUOTA: {cores:.2} cores, below one. Lanes are stopped in the middle of a run until \
             more time is granted, so wall-clock times say little; raise the quota (docker: --cpus) \
             or look at CPU time only."
        )
    })
}

/// Descriptors that a comparison takes at the most, in one process: a crawl, with room to spare.
const DESCRIPTORS: u64 = 256;

/// Raises the soft limit of open descriptors to the hard one, for the lane hosts too; many defaults
/// are far below what a server needs.
///
/// # Errors
/// When the hard limit is below what a comparison takes.
pub(super) fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the limit as it is, which is looked at next.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).ok();
    match getrlimit(Resource::Nofile).current {
        Some(few) if few < DESCRIPTORS => Err(Error::failed(format!(
            "at most {few} descriptors may be open here, and a comparison needs {DESCRIPTORS}; \
             raise the hard limit (ulimit -Hn) and try again"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_kept() {
        for (argument, kept) in [
            ("nats://me:secret@a:4222", "nats://a:4222"),
            ("--cluster=tls://me:se@cret@a,tls://token@b", "--cluster=tls://a,tls://b"),
            ("nats://a:4222", "nats://a:4222"),
            ("processes@nats,seq", "processes@nats,seq"),
            ("--files=a,b@c", "--files=a,b@c"),
        ] {
            assert_eq!(without_password(argument), kept);
        }
    }

    #[test]
    fn a_quota_below_one_core_is_warned_of() {
        assert!(low_quota(0.5).is_some_and(|warning| warning.contains("0.50 cores")));
        assert_eq!(low_quota(1.0), None);
    }

    #[test]
    fn arguments_are_shown_as_a_shell_takes_them() {
        for (argument, shown) in
            [("--rounds", "--rounds"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'")]
        {
            assert_eq!(quoted(argument.into()), shown);
        }
    }
}
