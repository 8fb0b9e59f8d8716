//! A lane host started by hand: runs workloads, prints verified results.

use std::{
    env,
    ffi::OsString,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use lexopt::{Arg, Parser, ValueExt};

use crate::{
    Body, calibrate,
    lane::{Config, Lane, LaneError, Support},
    workload::{self, Point, Setting, Tier, Workload},
};

/// Exit code for wrong use.
const USAGE: u8 = 2;

/// Exit code for a wrong result.
const WRONG: u8 = 4;

/// What the user asked for.
struct Options {
    /// The lane; without it, the host's first.
    lane: Option<String>,
    /// The workloads.
    workloads: Vec<&'static dyn Workload>,
    /// Workers; without it, as many as there are cores.
    workers: usize,
    /// The directory to hash.
    files: Option<PathBuf>,
    /// Where the stub serves the site to crawl.
    upstream: Option<SocketAddr>,
}

/// Parses, runs, prints.
pub(super) fn main(host: &str, lanes: &[&dyn Lane]) -> ExitCode {
    let options = match parse(env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print_help(host, lanes);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{host}: {error}\ntry {host} --help");
            return ExitCode::from(USAGE);
        }
    };
    let Some(lane) = options
        .lane
        .as_deref()
        .map_or(lanes.first(), |name| lanes.iter().find(|lane| lane.info().name == name))
    else {
        eprintln!("{host}: it has no such lane; see {host} --help");
        return ExitCode::from(USAGE);
    };
    match options
        .workloads
        .iter()
        .try_fold(true, |right, workload| Ok(run(*lane, *workload, &options)? && right))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err(error) => {
            let error: LaneError = error;
            eprintln!("{host}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the arguments ask for; `None` is a call for help.
fn parse(
    arguments: impl Iterator<Item = OsString> + 'static,
) -> Result<Option<Options>, lexopt::Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options =
        Options { lane: None, workloads: Vec::new(), workers: cores, files: None, upstream: None };
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("lane") => options.lane = Some(parser.value()?.string()?),
            Arg::Long("workers") => options.workers = parser.value()?.parse()?,
            Arg::Long("files") => options.files = Some(parser.value()?.into()),
            Arg::Long("upstream") => options.upstream = Some(parser.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Value(name) => options.workloads.push(workload_called(&name.string()?)?),
            other => return Err(other.unexpected()),
        }
    }
    if options.workers == 0 {
        return Err("--workers must be at least 1".into());
    }
    Ok((!options.workloads.is_empty()).then_some(options))
}

/// The workload of this name.
fn workload_called(name: &str) -> Result<&'static dyn Workload, lexopt::Error> {
    let known =
        || workload::ALL.iter().map(|workload| workload.id()).collect::<Vec<_>>().join(", ");
    workload::find(name)
        .ok_or_else(|| format!("no workload is called {name}; there are {}", known()).into())
}

/// How it is used.
fn print_help(host: &str, lanes: &[&dyn Lane]) {
    println!("{host} WORKLOAD... [--lane NAME] [--workers N] [--files DIR] [--upstream ADDR]\n");
    println!("Runs shared workloads through one lane and prints verified results.\n\nLanes:");
    for info in lanes.iter().map(|lane| lane.info()) {
        println!("  {:<16} {}", info.name, info.what);
    }
    println!("\nWorkloads:");
    for workload in workload::ALL {
        println!("  {:<18} {}", workload.id(), workload.question());
    }
    println!(
        "\nreal.crawl needs the site to be served: start `load site` as its help says, pass its address as --upstream."
    );
}

/// Runs all points of a workload; whether all results are right.
fn run(lane: &dyn Lane, workload: &dyn Workload, options: &Options) -> Result<bool, LaneError> {
    let setting = Setting {
        tier: Tier::Quick,
        ns_per_iteration: calibrate::ns_per_iteration(Duration::from_millis(50)),
        inputs: inputs_folder(),
        files: options.files.clone(),
    };
    let points = workload
        .points(&setting)
        .map_err(|error| LaneError::failed("prepare the workload", error))?;
    let mut right = true;
    for point in points {
        right &= run_point(lane, workload.id(), point, options)?;
    }
    Ok(right)
}

/// Runs one point; whether its result is right.
fn run_point(
    lane: &dyn Lane,
    id: &str,
    mut point: Point,
    options: &Options,
) -> Result<bool, LaneError> {
    if let Body::Crawl(crawl) = &mut point.plan.job.body {
        let needed = || LaneError::Unsupported("real.crawl needs --upstream; see --help".into());
        crawl.upstream = options.upstream.ok_or_else(needed)?;
    }
    let name = format!("{} {id} {}", lane.info().name, point.label);
    if let Support::No { why } = lane.support(&point.plan) {
        println!("{}: not run, {why}", name.trim_end());
        return Ok(true);
    }
    let expected = workload::reference(&point)
        .map_err(|error| LaneError::failed("compute the reference", error))?;
    let mut session = lane.open(&Config { workers: options.workers }, &point.plan)?;
    let start = Instant::now();
    let outcome = session.run(&point.plan)?;
    let wall = start.elapsed();
    session.close()?;
    let right = outcome.digest == expected;
    let verified = if right { "verified" } else { "WRONG" };
    println!(
        "{}: {verified} {}, {} ({} units, {} failed) in {wall:.1?}",
        name.trim_end(),
        outcome.digest,
        point.size,
        outcome.units,
        outcome.failed.len()
    );
    Ok(right)
}

/// Where inputs are kept: beside the build, if the program lies in one.
fn inputs_folder() -> PathBuf {
    let target =
        env::current_exe().ok().and_then(|program| Some(program.parent()?.parent()?.to_owned()));
    let target = target.filter(|target| target.join("CACHEDIR.TAG").exists());
    target
        .map_or_else(|| env::temp_dir().join("triptych"), |target| target.join("compare"))
        .join("inputs")
}
