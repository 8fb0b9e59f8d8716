//! `cargo xtask bench`: a model against its peers, and the goals that the design holds it to.
//!
//! A bench program (`xtask/peers/<model>-bench`) knows the metrics, the contenders and the goals, and
//! takes one sample when asked; it is built when it is needed, and asked what there is. Everything
//! else is done here: how large a sample is, in which order samples are taken, each in a fresh
//! process, and what they say.

mod calibrate;
mod calls;
pub mod compared;
pub mod contract;
mod export;
pub mod goal;
mod instructions;
mod judge;
mod list;
mod markdown;
mod options;
mod program;
pub mod record;
mod report;
mod rounds;

use std::{fs, path::PathBuf};

use crate::{
    compare::{
        environment,
        folder::Folder,
        record::{Finish, Noise},
        report::{Progress, Terminal},
    },
    error::{Error, Result},
    exit::Exit,
    interrupt, measure, splice,
    workspace::Workspace,
};

use self::{
    contract::{Listing, Metric},
    program::Program,
    record::{Contender, Run, SCHEMA, Series},
    rounds::{Rounds, Watcher},
};

pub(crate) use instructions::missing as missing_for_instructions;
pub use options::BenchArgs;
use options::Options;

/// The file of results in the folder of a run.
const FILE: &str = "bench.json";

/// Measures as told, reports, and says how it ended.
///
/// # Errors
/// When it could not even begin, or results could not be written.
pub fn bench(args: &BenchArgs) -> Result<Exit> {
    let options = Options::new(args)?;
    let workspace = Workspace::find();
    Program::check(&workspace, &args.model)?;
    interrupt::watch()
        .map_err(|error| Error::failed(format!("failed to watch for Ctrl-C: {error}")))?;
    // Grandchildren whose parent was killed become ours to wait for.
    measure::become_subreaper().ok();
    let mut progress = Progress::new(1);
    progress.say(&format!("building {} and its peers", args.model));
    let program = Program::build(&workspace, &args.model, options.purpose())?;
    let mut listing = program.list()?;
    if args.instructions {
        let counted = options.choose(listing.counted)?;
        let terminal = Terminal::of_stdout(args.color);
        return instructions::count(&program, &listing.metrics, &counted, &options, &terminal);
    }
    listing.metrics = options.choose(listing.metrics)?;
    let terminal = Terminal::of_stdout(args.color);
    if args.list {
        return list::show(&listing, &terminal);
    }
    let folder = Folder::make(&workspace.bench_folder(), &workspace)?;
    let mut run = begin(&options, &listing, &workspace);
    progress.prepare(&args.model);
    let mut rounds = Rounds::new(&program, &options, &listing.metrics);
    let samples: usize = listing.metrics.iter().map(Metric::steps).sum();
    let mut saver = Saver { folder: &folder, progress, metrics: &listing.metrics, saved: Ok(()) };
    let measured = rounds.calibrate(&mut run).and_then(|()| {
        saver.progress.start(&args.model, samples * options.rounds);
        rounds.execute(&mut run, &mut saver)
    });
    saver.progress.finish();
    run.finish = match &measured {
        Ok(()) => Finish::Complete,
        Err(_) => Finish::Interrupted,
    };
    judge(&mut run, &listing.metrics);
    if measured.is_ok() && !options.smoke {
        calls::count(&program, &listing.metrics, options.limit, &mut run);
    }
    // What could not be saved is shown all the same.
    let (files, written) = write(&run, &folder, &options, &program);
    terminal.print(&report::render(&run, &terminal, &files))?;
    saver.saved.and(written)?;
    match measured {
        Err(error) if error.exit != Exit::Interrupted => Err(error),
        Err(_) => Ok(Exit::Interrupted),
        Ok(()) => Ok(judge::exit(&run, args.gate)),
    }
}

/// Writes the results wherever they are to go: the files that they went to, and the first failure.
fn write(
    run: &Run,
    folder: &Folder,
    options: &Options,
    program: &Program,
) -> (Vec<PathBuf>, Result<()>) {
    let mut done = vec![(folder.file(FILE), folder.write(FILE, &json(run)))];
    for path in &options.exports {
        let written = fs::write(path, json(run)).map_err(Error::io("write the export", path));
        done.push((path.clone(), written));
    }
    if let Some(path) = options.splice.as_deref().filter(|_| run.finish == Finish::Complete) {
        let spliced = program.conclude(run).and_then(|conclusion| {
            splice::splice("bench", &markdown::block(run, conclusion.as_deref()), path)
        });
        done.push((path.to_owned(), spliced));
    }
    let files = done.iter().filter(|(_, written)| written.is_ok());
    let files = files.map(|(path, _)| path.clone()).collect();
    (files, done.into_iter().try_for_each(|(_, written)| written))
}

/// A run of which nothing has been measured.
fn begin(options: &Options, listing: &Listing, workspace: &Workspace) -> Run {
    let series = |metric: &Metric| Series {
        name: metric.name.clone(),
        about: metric.about.clone(),
        unit: metric.unit.clone(),
        cost: metric.cost,
        units: None,
        contenders: metric.contenders().map(Contender::new).collect(),
    };
    Run {
        schema: SCHEMA,
        model: listing.model.clone(),
        started: environment::now_utc(),
        revision: environment::revision(workspace),
        command: environment::command_line(),
        seed: options.seed,
        smoke: options.smoke,
        workers: listing.workers,
        absent: listing.absent.clone(),
        rounds: options.rounds,
        finish: Finish::Running,
        environment: environment::machine(),
        noise: Noise::default(),
        calls_by: None,
        rows: Vec::new(),
        metrics: listing.metrics.iter().map(series).collect(),
    }
}

/// Computes the rows anew.
fn judge(run: &mut Run, metrics: &[Metric]) {
    let rows = std::iter::zip(metrics, &run.metrics);
    run.rows = rows.flat_map(|(metric, series)| judge::rows(metric, series, run.rounds)).collect();
}

/// The run as JSON.
fn json(run: &Run) -> Vec<u8> {
    serde_json::to_vec_pretty(run).expect("a run has no maps with other keys than strings")
}

/// Saves the run after each round and moves the progress bar.
struct Saver<'a> {
    /// Where to.
    folder: &'a Folder,
    /// The bar.
    progress: Progress,
    /// What the rows are computed with.
    metrics: &'a [Metric],
    /// The first failure to save; reported at the end, for the measurements are still worth showing.
    saved: Result<()>,
}

impl Watcher for Saver<'_> {
    fn sampled(&mut self, metric: &str, contender: &str) {
        self.progress.step(&format!("{metric}: {contender}"));
    }

    fn round_over(&mut self, run: &Run) {
        if self.saved.is_ok() {
            let mut run = run.clone();
            judge(&mut run, self.metrics);
            self.saved = self.folder.write(FILE, &json(&run));
        }
    }
}
