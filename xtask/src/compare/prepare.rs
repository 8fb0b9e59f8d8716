//! What will be executed: every (workload, point, lane) with its plan, its reference and what the
//! lane says about it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use common::{
    Body, Digest,
    lane::{Plan, Shape, Support},
    workload::{self, Cache, Point, Setting, Tier, Workload},
};

use crate::{
    error::{Error, Result},
    host::{Client, Directory, HostEntry, Stub},
    interrupt,
    nearest::unknown_name,
};

use super::{
    execute::Execution,
    options::Options,
    question::{self, CONTROL},
    record::{Cell, Verify},
};

/// Everything that is needed to execute the cells of one workload.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The workload.
    pub workload: String,
    /// The cells that can be executed, as indices into the run's, with what they run.
    pub tasks: Vec<Task>,
    /// The sites that are served for them; they end with this.
    stubs: Vec<Stub>,
}

/// A cell that can be executed.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// Its index among the run's cells.
    pub cell: usize,
    /// The lane.
    pub lane: String,
    /// The lane's host.
    pub host: HostEntry,
    /// What it runs.
    pub plan: Plan,
    /// What must come out.
    pub expected: Digest,
    /// Files that must not be in the page cache when a run starts.
    pub evict: Vec<PathBuf>,
}

/// Where things are for the preparation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The hosts.
    pub directory: &'a Directory,
    /// Where inputs are kept.
    pub inputs: &'a std::path::Path,
    /// The upstream stub.
    pub stub: Option<&'a std::path::Path>,
}

/// The lanes to run a workload in: those the user named, else those of its question that exist, and
/// those of the peers that were asked for.
///
/// # Errors
/// A usage error when the user named a lane that does not exist.
pub(super) fn lanes_of(
    workload: &str,
    options: &Options,
    directory: &Directory,
) -> Result<Vec<String>> {
    let known = || directory.lanes().map(|lane| lane.name.as_str());
    if let Some(named) = &options.lanes {
        if let Some(unknown) = named.iter().find(|name| directory.lane(name).is_none()) {
            let known = known().chain(directory.not_built.iter().map(String::as_str));
            return Err(Error::usage(unknown_name("lane", unknown, known)));
        }
        return Ok(named.clone());
    }
    let all = || known().map(str::to_owned).collect::<Vec<_>>();
    Ok(match question::about(workload) {
        None => vec!["seq".into()],
        Some(_) if options.tier == Tier::Full => all(),
        Some(question) => {
            let existing = question.lanes.iter().filter(|name| directory.lane(name).is_some());
            let peers = directory.peer_lanes().map(|lane| lane.name.clone());
            existing.map(|name| (*name).to_owned()).chain(peers).collect()
        }
    })
}

/// Prepares a workload: appends its cells, and says how to execute them.
///
/// # Errors
/// When an input cannot be made, a reference cannot be computed, or a host does not answer.
pub(super) fn prepare(
    workload: &dyn Workload,
    options: &Options,
    place: Place<'_>,
    cells: &mut Vec<Cell>,
) -> Result<Prepared> {
    let mut points = Points::new(workload, options, place);
    let mut prepared =
        Prepared { workload: workload.id().into(), tasks: Vec::new(), stubs: Vec::new() };
    let mut clients = BTreeMap::new();
    let lanes = lanes_of(workload.id(), options, place.directory)?;
    for index in 0..points.count(&lanes)? {
        for lane in &lanes {
            interrupt::check()?;
            let info = place.directory.lane(lane).expect("lane names were checked");
            let host = place.directory.host_of(lane).expect("every lane has a host");
            let (point, expected) = points.get(&info.language, index)?;
            let execution = Execution {
                host,
                lane,
                workers: options.workers,
                plan: &point.plan,
                limit: options.limit,
            };
            let support = ask_support(&execution, &mut clients)?;
            let runs =
                !matches!(support, Support::No { .. }) && (lane != CONTROL || controls(&point));
            if runs {
                let evict = match &point.cache {
                    Cache::AsItIs => Vec::new(),
                    Cache::Without(files) => files.clone(),
                };
                let (lane, host) = (lane.clone(), host.clone());
                prepared.tasks.push(Task {
                    cell: cells.len(),
                    lane,
                    host,
                    plan: point.plan.clone(),
                    expected,
                    evict,
                });
            }
            cells.push(cell(workload.id(), &point, lane, &info.language, support, expected));
        }
    }
    prepared.stubs = points.stubs;
    Ok(prepared)
}

/// Whether a control says anything about the point: a fault has no time.
fn controls(point: &Point) -> bool {
    !matches!(point.plan.job.body, Body::Fault(_) | Body::Dummy(_))
}

/// A cell without samples.
fn cell(
    workload: &str,
    point: &Point,
    lane: &str,
    language: &str,
    support: Support,
    expected: Digest,
) -> Cell {
    let tasks = match point.plan.shape {
        Shape::Bag { tasks } => Some(tasks),
        Shape::Graph | Shape::Tree | Shape::Spawn(_) | Shape::Loops | Shape::Transfer => None,
    };
    Cell {
        workload: workload.into(),
        point: point.label.clone(),
        size: point.size.clone(),
        lane: lane.into(),
        language: language.into(),
        tasks,
        grain_ns: point.grain_ns,
        support,
        verify: Verify { ok: None, expected: Some(expected), problem: None },
        samples: Vec::new(),
        fault: None,
    }
}

/// Asks a host that is kept for further questions; one that fell over is started again next time.
fn ask_support(
    execution: &Execution<'_>,
    clients: &mut BTreeMap<String, Client>,
) -> Result<Support> {
    let name = &execution.host.name;
    let failed = |error| Error::failed(format!("{name}: {error}"));
    let mut client = match clients.remove(name) {
        Some(client) => client,
        None => execution.start().map_err(failed)?,
    };
    let support = execution.support(&mut client).map_err(failed)?;
    clients.insert(name.clone(), client);
    Ok(support)
}

/// The points of a workload in each language, with their references.
struct Points<'a> {
    /// The workload.
    workload: &'a dyn Workload,
    /// What the user asked for.
    options: &'a Options,
    /// Where things are.
    place: Place<'a>,
    /// The points that were made, by language.
    made: BTreeMap<String, Vec<Point>>,
    /// References, by plan: languages often share one.
    references: Vec<(Plan, Digest)>,
    /// The sites that are served.
    stubs: Vec<Stub>,
}

impl<'a> Points<'a> {
    /// None made yet.
    fn new(workload: &'a dyn Workload, options: &'a Options, place: Place<'a>) -> Self {
        Self {
            workload,
            options,
            place,
            made: BTreeMap::new(),
            references: Vec::new(),
            stubs: Vec::new(),
        }
    }

    /// How many points there are; the same in every language.
    fn count(&mut self, lanes: &[String]) -> Result<usize> {
        let first = lanes.first().and_then(|lane| self.place.directory.lane(lane));
        match first {
            Some(info) => Ok(self.in_language(&info.language)?.len()),
            None => Ok(0),
        }
    }

    /// A point with its reference.
    fn get(&mut self, language: &str, index: usize) -> Result<(Point, Digest)> {
        let point = self.in_language(language)?[index].clone();
        if let Some((_, expected)) = self.references.iter().find(|(plan, _)| *plan == point.plan) {
            return Ok((point, *expected));
        }
        let expected = workload::reference(&point).map_err(|error| {
            Error::failed(format!(
                "failed to compute the reference of {}: {error}",
                self.workload.id()
            ))
        })?;
        self.references.push((point.plan.clone(), expected));
        Ok((point, expected))
    }

    /// The points of a language, made when first asked for; sites they need are served from then
    /// on.
    fn in_language(&mut self, language: &str) -> Result<&[Point]> {
        if !self.made.contains_key(language) {
            let setting = Setting {
                tier: self.options.tier,
                ns_per_iteration: self.place.directory.ns_per_iteration[language],
                inputs: self.place.inputs.to_owned(),
                files: self.options.files.clone(),
            };
            let points = self.workload.points(&setting);
            let mut points = points.map_err(|error| {
                Error::failed(format!("failed to prepare {}: {error}", self.workload.id()))
            })?;
            for point in &mut points {
                self.serve_site(point)?;
            }
            self.made.insert(language.to_owned(), points);
        }
        Ok(&self.made[language])
    }

    /// Serves the site of a point, if it has one, and tells the point where.
    fn serve_site(&mut self, point: &mut Point) -> Result<()> {
        if let (Some(site), Body::Crawl(crawl)) = (&point.site, &mut point.plan.job.body) {
            let program =
                self.place.stub.ok_or_else(|| Error::failed("the upstream stub was not built"))?;
            let stub = Stub::start(program, site)?;
            crawl.upstream = stub.address;
            self.stubs.push(stub);
        }
        Ok(())
    }
}

/// How long a run may take: a fault is given less time, for some of them never answer.
pub(super) fn limit_of(plan: &Plan, options: &Options) -> Duration {
    /// What a fault is given over the time limit of a task.
    const FAULT: Duration = Duration::from_secs(2);
    match plan.job.body {
        Body::Fault(_) => options.limit.min(FAULT + plan.task_timeout().unwrap_or_default()),
        Body::Dummy(_) => options.limit.min(FAULT),
        _ => options.limit,
    }
}
