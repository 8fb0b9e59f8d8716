//! `cargo xtask verify`: the checks of the models that take too long for `cargo xtask ci`.
//!
//! - Their tests with `TRIPTYCH_LONG=1`: those that search for rare events then run many more
//!   rounds; what they check is the same. For example, the 100,000 submits from outside that are
//!   each waited for become a million.
//! - Their models: small protocols under loom, whole pools under shuttle.
//! - Their tests under AddressSanitizer.
//! - For `processes`, chaos: storms of kills, stops and shortages, and decoding of bytes that were
//!   changed at random, each from a seed, for as long as `--seconds` says, from the seed that `--seed`
//!   says on. What fails names its seed.
//!
//! `--step` runs some of that only, and `--list` says what there is.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use crate::{
    ci::{self, Action, Checker, CommandLine, Step, Under},
    error::Result,
    exit::Exit,
    workspace::Workspace,
};

/// The variable that tests read.
const LONG: &str = "TRIPTYCH_LONG";

/// What `verify` takes.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The models to check; without any, all three.
    #[arg(value_enum, value_name = "MODEL")]
    pub models: Vec<Model>,
    /// Run this step only; may be given more than once. Without it, all of them run.
    #[arg(long = "step", value_name = "STEP")]
    pub steps: Vec<String>,
    /// List the steps and their command lines, and run nothing.
    #[arg(long)]
    pub list: bool,
    /// How long chaos may take.
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub seconds: u32,
    /// The first seed of chaos; without it, one that nobody has tried.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
}

/// A model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// The thread pool.
    Threads,
    /// The process pool.
    Processes,
    /// The event loop.
    Evented,
}

impl Model {
    /// The crate it is.
    fn package(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::Processes => "processes",
            Self::Evented => "evented",
        }
    }
}

/// Runs the long checks.
///
/// # Errors
/// A step that does not exist, or a command that cannot be started. A check that fails is no error but
/// [`Exit::Failed`], and is reported.
pub fn verify(args: &VerifyArgs) -> Result<Exit> {
    let workspace = Workspace::find();
    let steps = chosen(&workspace, args)?;
    if args.list { ci::list(&steps) } else { ci::run(&steps, &workspace.root) }
}

/// The steps that are asked for, in their order.
fn chosen(workspace: &Workspace, args: &VerifyArgs) -> Result<Vec<Step>> {
    let mut steps = steps(workspace, args);
    ci::check_names(&steps, &args.steps)?;
    steps.retain(|step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name));
    Ok(steps)
}

/// All steps for the models that are asked for, or for all if none is.
fn steps(workspace: &Workspace, args: &VerifyArgs) -> Vec<Step> {
    let wanted = Model::value_variants().iter();
    let wanted = wanted.filter(|model| args.models.is_empty() || args.models.contains(model));
    let wanted: Vec<_> = wanted.map(|model| model.package()).collect();
    let packages = wanted.iter().flat_map(|name| ["-p", *name]);
    // The tests run the examples.
    let examples = CommandLine::cargo(["build", "--release", "--examples"]).args(packages.clone());
    let tests = CommandLine::cargo(["test", "--release", "--lib", "--tests"]).args(packages);
    let step = |name, about, action| Step { name, about, action, is_extra: false };
    vec![
        step("examples", "the examples that the next step runs", Action::Run(examples)),
        step("long", "tests with many more rounds", Action::Run(tests.env(LONG, "1"))),
        step(
            "loom",
            "models of the lock-free protocols",
            ci::models(workspace, Checker::Loom, &wanted),
        ),
        step(
            "shuttle",
            "whole pools under random schedules",
            ci::models(workspace, Checker::Shuttle, &wanted),
        ),
        step(
            "asan-examples",
            "the examples under AddressSanitizer, which the next step runs",
            ci::address_sanitizer(workspace, &wanted, Under::Examples),
        ),
        step(
            "asan",
            "tests under AddressSanitizer",
            ci::address_sanitizer(workspace, &wanted, Under::Tests),
        ),
        step("chaos", "pools under everything that can go wrong", chaos(args, &wanted)),
    ]
}

/// Storms for a while, if the process pool is wanted.
fn chaos(args: &VerifyArgs, wanted: &[&str]) -> Action {
    let package = Model::Processes.package();
    if !wanted.contains(&package) {
        return Action::Skip(format!("only {package} has storms"));
    }
    let seed = args.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // So many seeds are not tried in a second.
        now.as_secs().wrapping_mul(1_000)
    });
    let tests = CommandLine::cargo(["test", "--release", "-p", package, "--lib", "--"])
        .args(["--nocapture", "--test-threads", "1", "chaos::", "fuzz::"])
        .env("TRIPTYCH_SECONDS", args.seconds.to_string())
        .env("TRIPTYCH_SEED", seed.to_string());
    Action::Run(tests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// What is typed for these models.
    fn args(models: &[Model]) -> VerifyArgs {
        let (models, steps) = (models.to_vec(), Vec::new());
        VerifyArgs { models, steps, list: false, seconds: 7, seed: Some(9) }
    }

    #[test]
    fn steps_can_be_chosen() {
        let workspace = Workspace::find();
        let names = |steps: &[&str]| {
            let steps = steps.iter().map(|step| (*step).to_owned()).collect();
            let args = VerifyArgs { steps, ..args(&[Model::Processes]) };
            let chosen = chosen(&workspace, &args)?;
            Ok::<_, Error>(chosen.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["chaos", "long"]).unwrap(), ["long", "chaos"]);
        assert_eq!(names(&[]).unwrap().len(), steps(&workspace, &args(&[])).len());
        let error = names(&["caos"]).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("did you mean chaos?"), "{error}");
    }

    #[test]
    fn each_model_is_checked_once() {
        let workspace = Workspace::find();
        let long = |models: &[Model]| steps(&workspace, &args(models))[1].action.to_string();
        let all =
            "TRIPTYCH_LONG=1 cargo test --release --lib --tests -p threads -p processes -p evented";
        assert_eq!(long(&[]), all);
        let one = "TRIPTYCH_LONG=1 cargo test --release --lib --tests -p evented";
        assert_eq!(long(&[Model::Evented, Model::Evented]), one);
        let loom = steps(&workspace, &args(&[Model::Threads]))[2].action.to_string();
        assert!(loom.contains("cargo test -p threads --release --test loom"), "{loom}");
        let chaos = |models| steps(&workspace, &args(models)).last().unwrap().action.to_string();
        assert_eq!(chaos(&[Model::Threads]), "skipped: only processes has storms");
        let storms = chaos(&[Model::Processes]);
        assert!(storms.starts_with("TRIPTYCH_SECONDS=7 TRIPTYCH_SEED=9 cargo test"), "{storms}");
    }
}
