//! `cargo xtask compare`: the same verified work under each model, and what that says about which
//! to use.

pub(crate) mod environment;
mod evict;
mod execute;
pub(crate) mod folder;
pub mod judge;
pub mod options;
mod prepare;
pub mod question;
pub mod record;
pub mod report;
mod rounds;

use std::time::{Duration, Instant};

use common::workload::Workload;

use crate::{
    cli::CompareArgs,
    error::{Error, Result},
    exit::Exit,
    host::{self, Directory},
    interrupt, measure,
    workspace::Workspace,
};

use self::{
    folder::Folder,
    judge::{Judgement, judge},
    options::Options,
    prepare::{Place, prepare},
    record::{Cell, Finish, Noise, ProblemKind, Run, SCHEMA},
    report::{Outputs, Progress},
    rounds::{Rounds, Watcher},
};

/// Compares as told, reports, and says how it ended.
///
/// # Errors
/// When it could not even begin, or results could not be written.
pub fn compare(args: &CompareArgs) -> Result<Exit> {
    let options = Options::new(args)?;
    let outputs = Outputs::check(args)?;
    interrupt::watch()
        .map_err(|error| Error::failed(format!("failed to watch for Ctrl-C: {error}")))?;
    environment::raise_descriptor_limit()?;
    // Grandchildren whose parent was killed become ours to wait for.
    measure::become_subreaper().ok();
    let workspace = Workspace::find();
    let folder = Folder::make(&workspace.compare_folder(), &workspace)?;
    let progress = Progress::new(options.workloads.len());
    progress.say("building the lane hosts");
    let mut built = host::build(&workspace)?;
    interrupt::check()?;
    let (peers, absent) = options.peers_of(host::peer_hosts(&workspace)?);
    (built.absent, built.cluster) = (absent, options.cluster.clone());
    if !peers.is_empty() {
        progress.say("building the lane hosts of the peers");
        built.peers = host::build_peer_hosts(&workspace, &peers, options.purpose())?;
        interrupt::check()?;
    }
    progress.say("asking the lane hosts");
    let directory = Directory::ask(&workspace, &built)?;
    let inputs = workspace.compare_folder().join("inputs");
    let place = Place { directory: &directory, inputs: &inputs, stub: built.stub.as_deref() };
    for workload in &options.workloads {
        prepare::lanes_of(workload.id(), &options, &directory)?;
    }
    let mut run = begin(&options, &directory, &workspace);
    let mut saver = Saver { folder: &folder, progress, saved: Ok(()) };
    let finished = execute_all(&options, place, &mut run, &mut saver);
    run.finish = match &finished {
        Ok(()) => Finish::Complete,
        Err(error) if error.exit == Exit::Interrupted => Finish::Interrupted,
        Err(_) => Finish::Running,
    };
    judge(&mut run);
    saver.progress.finish();
    // What could not be saved is shown all the same.
    let kept = saver.saved.and(folder.save(&run));
    report::show(&run, &folder, kept, &outputs)?;
    match finished {
        Err(error) if error.exit != Exit::Interrupted => Err(error),
        Err(_) => Ok(Exit::Interrupted),
        Ok(()) => Ok(exit(&run, args.strict)),
    }
}

/// A run of which nothing has been measured.
fn begin(options: &Options, directory: &Directory, workspace: &Workspace) -> Run {
    Run {
        schema: SCHEMA.into(),
        started: environment::now_utc(),
        revision: environment::revision(workspace),
        command: environment::command_line(),
        tier: options.tier_name().into(),
        seed: options.seed,
        finish: Finish::Running,
        environment: environment::describe(options, directory),
        noise: Noise::default(),
        warnings: environment::warnings(options),
        missing: directory.missing.clone(),
        cells: Vec::new(),
        answers: Vec::new(),
        claims: Vec::new(),
    }
}

/// Prepares and executes one workload after the other, so that the first answer is there early.
fn execute_all(
    options: &Options,
    place: Place<'_>,
    run: &mut Run,
    saver: &mut Saver<'_>,
) -> Result<()> {
    let begin = Instant::now();
    for (index, workload) in options.workloads.iter().enumerate() {
        interrupt::check()?;
        saver.progress.prepare(workload.id());
        let prepared = prepare(*workload, options, place, &mut run.cells)?;
        let left = &options.workloads[index..];
        let allowance =
            options.budget.map(|budget| share(budget.saturating_sub(begin.elapsed()), left));
        saver.progress.start(workload.id(), prepared.tasks.len() * options.rounds);
        Rounds::new(options, &prepared, allowance).execute(run, saver)?;
        judge(run);
        saver.progress.answered(run, workload.id());
    }
    Ok(())
}

/// What the first of these workloads gets of a time, by the weights of their questions.
fn share(time: Duration, workloads: &[&dyn Workload]) -> Duration {
    let weight = |workload: &&dyn Workload| {
        question::about(workload.id()).map_or(1, |question| question.weight)
    };
    let all: u32 = workloads.iter().map(weight).sum();
    workloads.first().map_or(time, |first| time * weight(first) / all.max(1))
}

/// Saves the run after each execution and moves the progress bar.
struct Saver<'a> {
    /// Where to.
    folder: &'a Folder,
    /// The bar.
    progress: Progress,
    /// The first failure to save; reported at the end, for the measurements are still worth
    /// showing.
    saved: Result<()>,
}

impl Watcher for Saver<'_> {
    fn executed(&mut self, run: &Run, workload: &str, lane: &str) {
        if self.saved.is_ok() {
            self.saved = self.folder.save(run);
        }
        self.progress.step(&format!("{workload}: {lane}"));
    }
}

/// How a complete run ends.
fn exit(run: &Run, strict: bool) -> Exit {
    let of_cell = |cell: &Cell| match &cell.verify.problem {
        None => Exit::Ok,
        Some(problem) if problem.kind == ProblemKind::WrongDigest => Exit::WrongOutput,
        Some(_) => Exit::Failed,
    };
    let cells = run.cells.iter().map(of_cell).fold(Exit::Ok, Exit::worse);
    let unclear = run.answers.iter().flat_map(|answer| &answer.rivals);
    let unclear = unclear.filter(|rival| rival.wall.judgement == Judgement::Inconclusive).count();
    if strict && unclear > 0 { cells.worse(Exit::Inconclusive) } else { cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_by_weight() {
        let named = |id| common::workload::find(id).expect("it exists");
        let (waits, crawl) = (named("io.wait"), named("real.crawl"));
        let minute = Duration::from_mins(1);
        assert_eq!(share(Duration::from_secs(76), &[waits, crawl]), minute);
        assert_eq!(share(Duration::from_secs(76), &[crawl, waits]), Duration::from_secs(16));
        assert_eq!(share(minute, &[waits]), minute);
    }
}
