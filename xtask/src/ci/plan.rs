//! What the steps are.

use std::process::{Command, Stdio};

use super::{
    command_line::{self, CommandLine},
    readme,
    step::{Action, Step},
};
use crate::{
    bench::missing_for_instructions, host::peer_hosts, tidy::MODELS, workspace::Workspace,
};

/// All steps in their order.
pub(super) fn steps(workspace: &Workspace) -> Vec<Step> {
    let cargo = |line: &str| Action::Run(CommandLine::cargo(line.split_whitespace()));
    let xtask = |line: &str| Action::Run(CommandLine::xtask(line.split_whitespace()));
    let step = |name, about, action| Step { name, about, action, is_extra: false };
    let machines = machines_missing();
    let required = required(machines.as_deref());
    let mut steps = vec![
        step("fmt", "the code is formatted", cargo("fmt --all --check")),
        step("tidy", "the rules of the house hold", xtask("tidy")),
        step("deny", "licences and known weaknesses of what we depend on", deny()),
        step(
            "clippy",
            "no warning of the compiler and of clippy",
            cargo("clippy --workspace --all-targets -- -D warnings"),
        ),
        cluster_clippy(),
        step("doc", "the documentation builds without a warning", doc()),
        step(
            "test",
            "the test command of README.md; doc tests are part of it",
            test(workspace, required),
        ),
        cluster_test(required),
        step(
            "loom",
            "models of the lock-free protocols, all interleavings",
            models(workspace, Checker::Loom, &MODELS),
        ),
        step(
            "shuttle",
            "whole pools under random schedules",
            models(workspace, Checker::Shuttle, &MODELS),
        ),
        // Without optimisation, as all that they need is built already.
        step("bench", "each bench runs once", cargo("test --workspace --bench *")),
        Step {
            name: "asan-examples",
            about: "the models' examples under AddressSanitizer, which the next step runs",
            action: address_sanitizer(workspace, &MODELS, Under::Examples),
            is_extra: true,
        },
        Step {
            name: "asan",
            about: "the models' tests under AddressSanitizer; asan-examples comes first",
            action: address_sanitizer(workspace, &MODELS, Under::Tests),
            is_extra: true,
        },
        step("compare", "every lane gives the right answer", compare("")),
    ];
    steps.extend(steps_of_peers(workspace));
    steps.extend(machines.map(|why| {
        let about = "the tests of cluster-test that need several machines (network namespaces)";
        step("machines", about, Action::Skip(format!("NOT TESTED on several machines: {why}")))
    }));
    steps
}

/// Those of the peers, and what is measured against them.
fn steps_of_peers(workspace: &Workspace) -> Vec<Step> {
    let xtask = |line: &str| Action::Run(CommandLine::xtask(line.split_whitespace()));
    let step = |name, about, action| Step { name, about, action, is_extra: false };
    vec![
        step("peers-fmt", "the peers are formatted", peers("fmt --all --check")),
        step("peers-deny", "licences and known weaknesses of the peers", peers_deny()),
        step(
            "peers-clippy",
            "no warning in the peers",
            peers_built(workspace, "clippy", "--all-targets -- -D warnings"),
        ),
        step("peers-test", "tests of the peers", peers_built(workspace, "test", "")),
        step(
            "peers-bench",
            "every contender of every metric does its work",
            xtask("bench threads --smoke"),
        ),
        step(
            "peers-bench-processes",
            "the same of process pools, Python's among them",
            xtask("bench processes --smoke"),
        ),
        step("peers-bench-evented", "the same of event loops", xtask("bench evented --smoke")),
        step(
            "callgrind",
            "no join or spawn takes more instructions than recorded",
            callgrind("threads"),
        ),
        step(
            "callgrind-evented",
            "the same of polls, spawns and timers of the event loop",
            callgrind("evented"),
        ),
        step(
            "peers-compare",
            "every lane of the peers gives the right answer",
            compare("cpu. spawn. --lanes seq,rayon,chili,std,tokio"),
        ),
        step(
            "cluster-compare",
            "the same of a pool whose calls go through a broker to two nodes",
            cluster_compare(workspace),
        ),
    ]
}

/// Names what tests must not be skipped for want of.
const REQUIRE: &str = "TRIPTYCH_REQUIRE";

/// What the gate requires: the programs that `.ci/run` installs, and machines where there can be some.
fn required(no_machines: Option<&str>) -> &'static str {
    no_machines.map_or("tools,machines", |_why| "tools")
}

/// Makes what machines of tests consist of, in namespaces of its own.
const MACHINE: &str = "mount -t tmpfs tmpfs /run && ip netns add a && \
    ip link add bridge type bridge && ip link add v type veth peer name eth0 netns a && \
    nsenter --net=/run/netns/a ip link set eth0 up";

/// Why this system does not allow that, as some containers do not. A missing program is no such reason:
/// the tests say which one it is.
fn machines_missing() -> Option<String> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    // A user who is not root becomes one inside.
    command.args(["--user", "--map-root-user"].iter().filter(|_| !is_root()));
    command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", MACHINE]);
    let output = command.stdin(Stdio::null()).output().ok()?;
    let is_missing = output.status.code() == Some(127);
    let said = String::from_utf8_lossy(&output.stderr);
    let why = || said.lines().next().unwrap_or("it is not allowed").to_owned();
    (!output.status.success() && !is_missing).then(why)
}

/// Whether this process may do everything.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Clippy for the feature of `processes` that is not in the default build.
fn cluster_clippy() -> Step {
    let line = "clippy -p processes --all-targets --features distributed -- -D warnings";
    let action = Action::Run(CommandLine::cargo(line.split_whitespace()));
    let about = "the same for pools of many machines";
    Step { name: "cluster-clippy", about, action, is_extra: false }
}

/// The tests of that feature. Most of their time they wait, until what was killed is missed.
fn cluster_test(required: &str) -> Step {
    let line = "test -p processes --features distributed -- distributed cluster";
    let line = CommandLine::cargo(line.split_whitespace());
    let action = Action::Beside(line.env(REQUIRE, required));
    let about = "calls through a broker to nodes, whatever dies";
    Step { name: "cluster-test", about, action, is_extra: false }
}

/// The lanes of clusters, in all workloads, where they can be had.
fn cluster_compare(workspace: &Workspace) -> Action {
    let hosts = match peer_hosts(workspace) {
        Ok(hosts) => hosts,
        Err(error) => return Action::Fail(error.message),
    };
    let hosts: Vec<_> = hosts.iter().filter(|host| host.cluster_variable.is_some()).collect();
    if let Some(why) = hosts.iter().find_map(|host| host.absent(None)) {
        return Action::Skip(why);
    }
    let lanes: Vec<_> = hosts.iter().flat_map(|host| &host.lanes).map(String::as_str).collect();
    compare(&format!("--lanes {}", lanes.join(",")))
}

/// A comparison in which each of these lanes has to give the right answers once.
fn compare(what: &str) -> Action {
    let line = CommandLine::xtask(["compare"]).args(words(what));
    Action::Run(line.args(["--tier", "smoke", "--rounds", "1"]))
}

/// The test command that README.md tells people to type.
fn test(workspace: &Workspace, required: &str) -> Action {
    match readme::test_command(&workspace.root) {
        Ok(arguments) => Action::Run(CommandLine::cargo(arguments).env(REQUIRE, required)),
        Err(why) => Action::Fail(why),
    }
}

/// Builds the documentation.
fn doc() -> Action {
    let line = CommandLine::cargo(["doc", "--workspace", "--no-deps"])
        .args(["--features", "processes/distributed"]);
    Action::Run(line.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The manifest of the workspace of peers, relative to the root.
const PEERS: &str = "xtask/peers/Cargo.toml";

/// Has Cargo do this in the workspace of peers, without building anything.
fn peers(line: &str) -> Action {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    Action::Run(CommandLine::cargo([command, "--manifest-path", PEERS]).args(words(rest)))
}

/// Has Cargo build this of the peers, in the project's target folder: the crates of others that both
/// workspaces use are built once.
fn peers_built(workspace: &Workspace, command: &str, rest: &str) -> Action {
    let line = CommandLine::cargo([command, "--manifest-path", PEERS, "--workspace"]);
    Action::Run(line.target_folder(workspace, "").args(words(rest)))
}

/// The words of a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

/// What the project depends on, by the rules of `deny.toml`; cargo-deny is not needed to build or
/// test.
fn deny() -> Action {
    denied(&["check"])
}

/// The same for the peers, by the same rules.
fn peers_deny() -> Action {
    denied(&["--manifest-path", PEERS, "check", "--config", "deny.toml"])
}

/// Runs cargo-deny with these arguments, where it is installed.
fn denied(arguments: &[&str]) -> Action {
    let mut version = Command::new(command_line::cargo());
    version.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if version.status().is_ok_and(|status| status.success()) {
        Action::Run(CommandLine::cargo(["deny"]).args(arguments.iter().copied()))
    } else {
        Action::Skip("cargo-deny is not installed".into())
    }
}

/// Counts instructions of a model, where that is possible.
fn callgrind(model: &str) -> Action {
    match missing_for_instructions() {
        None => Action::Run(CommandLine::xtask(["bench", model, "--instructions"])),
        Some(why) => Action::Skip(why),
    }
}

/// What runs a crate's models, which are an integration test named like it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Checker {
    /// All interleavings of a small protocol, up to a bound.
    Loom,
    /// Random schedules of a whole pool.
    Shuttle,
}

impl Checker {
    /// The name of the tests, and of the cfg that they are built with.
    fn name(self) -> &'static str {
        match self {
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }
}

/// Runs the models of those of these crates that have some.
pub(crate) fn models(workspace: &Workspace, checker: Checker, crates: &[&str]) -> Action {
    let name = checker.name();
    let has_models = |package: &&&str| {
        workspace.root.join(package).join("tests").join(name).join("main.rs").exists()
    };
    let with_models: Vec<_> = crates.iter().filter(has_models).copied().collect();
    if with_models.is_empty() {
        return Action::Skip(format!("no {name} models in {}", crates.join(", ")));
    }
    let packages = with_models.into_iter().flat_map(|package| ["-p", package]);
    let line = CommandLine::cargo(["test"]).args(packages).args(["--release", "--test", name]);
    // Other flags mean that everything is built anew: in a folder of its own it stays built.
    let line = line.target_folder(workspace, name);
    Action::Run(line.env("RUSTFLAGS", format!("--cfg {name}")))
}

/// What Cargo does with crates under AddressSanitizer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Under {
    /// Builds their examples, which their tests run.
    Examples,
    /// Runs their tests.
    Tests,
}

/// Tests that crash a process on purpose want its signal, not a report.
const SANITIZER_OPTIONS: &str = "handle_segv=0:handle_sigbus=0:handle_abort=0";

/// Builds or tests these crates under AddressSanitizer, which the stable compiler contains, and which looks
/// for leaks, too.
pub(crate) fn address_sanitizer(workspace: &Workspace, crates: &[&str], what: Under) -> Action {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Action::Skip("AddressSanitizer is used on x86_64 Linux only".into());
    }
    let line = match what {
        Under::Examples => CommandLine::cargo(["build", "--examples"]),
        Under::Tests => CommandLine::cargo(["test", "--lib", "--tests"]),
    };
    let line = line
        .args(crates.iter().flat_map(|name| ["-p", *name]))
        // With a target the flags do not reach build scripts and procedural macros.
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .target_folder(workspace, "asan")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // Without, it is so slow that bounded waits end before what they wait for.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    // What a worker says at its end is heard by nobody, and its exit code may be nobody's business: so all
    // processes write what they find, leaks too, into one folder.
    let reports = workspace.target.join("asan").join("reports");
    let options = format!("{SANITIZER_OPTIONS}:log_path='{}'", reports.join("of").display());
    Action::Run(line.env("ASAN_OPTIONS", options).reports(reports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_run_where_there_are_some() {
        let root = tempfile::tempdir().unwrap();
        let workspace =
            Workspace { root: root.path().to_owned(), target: root.path().join("target") };
        assert!(matches!(models(&workspace, Checker::Loom, &MODELS), Action::Skip(_)));
        let tests = root.path().join("evented/tests/loom");
        std::fs::create_dir_all(&tests).unwrap();
        std::fs::write(tests.join("main.rs"), "").unwrap();
        assert_eq!(
            models(&workspace, Checker::Loom, &MODELS).to_string(),
            "RUSTFLAGS=\"--cfg loom\" cargo test -p evented --release --test loom \
             --target-dir target/loom"
        );
        assert!(matches!(models(&workspace, Checker::Loom, &["threads"]), Action::Skip(_)));
        assert!(matches!(models(&workspace, Checker::Shuttle, &MODELS), Action::Skip(_)));
    }

    #[test]
    fn tests_of_the_gate_require_what_can_be_had() {
        assert_eq!((required(None), required(Some("no"))), ("tools,machines", "tools"));
        let step = cluster_test("tools").action.to_string();
        assert!(step.starts_with("TRIPTYCH_REQUIRE=tools cargo test -p processes"), "{step}");
        let steps = steps(&Workspace::find());
        let machines = steps.iter().find(|step| step.name == "machines");
        assert_eq!(machines.is_some(), machines_missing().is_some());
    }

    #[test]
    fn names_differ() {
        let steps = steps(&Workspace::find());
        for step in &steps {
            assert_eq!(steps.iter().filter(|other| other.name == step.name).count(), 1);
        }
    }
}
