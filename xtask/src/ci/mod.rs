//! `cargo xtask ci`: everything that must hold before a change is merged, in one command.
//!
//! The steps run in order, the quick ones first, and the first failure ends it; what mostly waits runs
//! beside the steps that follow it. `.ci/run` calls it
//! on a clean checkout; it should take at most 14 minutes there on two cores.

mod beside;
mod command_line;
mod plan;
mod readme;
mod step;

use std::io::{Write, stdout};

use clap::Args;

pub(crate) use self::{
    command_line::CommandLine,
    plan::{Checker, Under, address_sanitizer, models},
    step::{Action, Step, run},
};

use crate::{
    error::{Error, Result},
    exit::Exit,
    workspace::Workspace,
};

/// What `ci` takes.
#[derive(Clone, Debug, Args)]
pub struct CiArgs {
    /// Steps to run; without any, all of them.
    #[arg(value_name = "STEP")]
    pub steps: Vec<String>,
    /// List the steps and their command lines, and run nothing.
    #[arg(long)]
    pub list: bool,
    /// Also run the tests of the models under AddressSanitizer.
    #[arg(long)]
    pub with_sanitizers: bool,
}

/// Runs the chosen steps, or lists them.
///
/// # Errors
/// A step that does not exist, or a command that cannot be started. A step that fails is no error
/// but [`Exit::Failed`], and is reported.
pub fn ci(args: &CiArgs) -> Result<Exit> {
    let workspace = Workspace::find();
    let steps = choose(plan::steps(&workspace), args)?;
    if args.list { list(&steps) } else { run(&steps, &workspace.root) }
}

/// Keeps the steps that were asked for, in their order.
fn choose(steps: Vec<Step>, args: &CiArgs) -> Result<Vec<Step>> {
    check_names(&steps, &args.steps)?;
    let chosen = |step: &Step| {
        if args.steps.is_empty() {
            !step.is_extra || args.with_sanitizers || args.list
        } else {
            args.steps.iter().any(|name| name == step.name) || step.is_extra && args.with_sanitizers
        }
    };
    Ok(steps.into_iter().filter(chosen).collect())
}

/// Checks that there are steps with these names.
///
/// # Errors
/// There is none with one of them; the nearest is named, and what there is.
pub(crate) fn check_names(steps: &[Step], wanted: &[String]) -> Result<()> {
    for wanted in wanted {
        if !steps.iter().any(|step| step.name == wanted) {
            let nearest = steps.iter().min_by_key(|step| strsim::levenshtein(step.name, wanted));
            let nearest = nearest.map_or("", |step| step.name);
            let names: Vec<_> = steps.iter().map(|step| step.name).collect();
            return Err(Error::usage(format!(
                "there is no step {wanted}; did you mean {nearest}? There are: {}",
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// Prints what each step is.
pub(crate) fn list(steps: &[Step]) -> Result<Exit> {
    let mut out = stdout().lock();
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
    for step in steps {
        let extra = if step.is_extra { " (only with --with-sanitizers, or by name)" } else { "" };
        writeln!(out, "{:width$} {}{extra}\n    {}", step.name, step.about, step.action)
            .map_err(|error| Error::failed(format!("failed to list the steps: {error}")))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the steps that these arguments choose.
    fn chosen(steps: &[&str], with_sanitizers: bool) -> Result<Vec<&'static str>> {
        let steps = steps.iter().map(|step| (*step).to_owned()).collect();
        let args = CiArgs { steps, list: false, with_sanitizers };
        let steps = choose(plan::steps(&Workspace::find()), &args)?;
        Ok(steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn steps_run_in_their_order_whatever_was_typed() {
        assert_eq!(chosen(&["test", "fmt"], false).unwrap(), ["fmt", "test"]);
        let asan = ["asan-examples", "asan"];
        assert_eq!(chosen(&asan, false).unwrap(), asan);
    }

    #[test]
    fn sanitizers_are_extra() {
        let (usual, all) = (chosen(&[], false).unwrap(), chosen(&[], true).unwrap());
        assert!(!usual.contains(&"asan") && all.contains(&"asan"));
        assert_eq!(usual.len() + 2, all.len(), "the examples and the tests");
    }

    #[test]
    fn an_unknown_step_is_wrong_use_and_named_with_the_nearest() {
        let error = chosen(&["tidi"], false).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("did you mean tidy?"), "{error}");
    }
}
