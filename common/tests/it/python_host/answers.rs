//! Right answers: every lane and workload, and the corners of the jobs.

use std::{fs, path::Path, time::Duration};

use common::{
    AccessLog, Body, Crawl, Job, LogAnswer, Spin, Spread, Wait,
    lane::{Plan, Shape, Support},
    protocol::{Reply, Request},
    site::{Site, SiteSpec},
    workload::{self, Point, Setting, Tier},
};

use super::{LANES, close_clean, open, point_of, process::Host, run, stub::Served, support};

/// The workloads that give results.
const WORKLOADS: [&str; 6] =
    ["real.tree-hash", "real.access-log", "real.crawl", "cpu.coarse", "cpu.fine", "io.wait"];

#[test]
fn sequential_gives_the_reference_answers() {
    gives_the_reference_answers("py-seq");
}

#[test]
fn threads_give_the_reference_answers() {
    gives_the_reference_answers("py-threads");
}

#[test]
fn processes_give_the_reference_answers() {
    gives_the_reference_answers("py-mp");
}

#[test]
fn asyncio_gives_the_reference_answers() {
    gives_the_reference_answers("py-asyncio");
}

/// Runs every workload in the smoke tier, and the corners that tier leaves out.
fn gives_the_reference_answers(lane: &str) {
    let mut host = host!();
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    write_files(&files);
    let setting = Setting {
        tier: Tier::Smoke,
        ns_per_iteration: calibrate(&mut host),
        inputs: folder.path().join("inputs"),
        files: Some(files),
    };
    let smoke =
        WORKLOADS.iter().flat_map(|id| workload::find(id).unwrap().points(&setting).unwrap());
    for point in smoke.chain(corners(folder.path())) {
        gives_the_reference_answer(&mut host, lane, point);
    }
    host.leave();
}

/// Runs one point twice and compares.
fn gives_the_reference_answer(host: &mut Host, lane: &str, mut point: Point) {
    let served = serve(&mut point);
    let expected = workload::reference(&point).unwrap();
    let plan = &point.plan;
    assert!(!matches!(support(host, lane, plan), Support::No { .. }), "{lane} declines {plan:?}");
    open(host, lane, plan);
    for _ in 0..2 {
        let outcome = run(host, plan);
        assert_eq!((&outcome.failed[..], outcome.digest), (&[][..], expected), "{lane}: {plan:?}");
    }
    close_clean(host);
    if let Some((served, pages)) = served {
        let stats = served.stats();
        assert_eq!((stats.served, stats.refused_429), (2 * pages, 0), "{lane}: {stats:?}");
        assert!(stats.errors_503 > 0, "nothing had to be asked for again");
        let overlap = if lane == "py-seq" { 1..=1 } else { 2..=plan.overlap };
        assert!(overlap.contains(&stats.peak_in_flight), "{lane}: {stats:?}");
    }
}

/// Serves the site of a point, if it has one, with more refusals than a small site would have; with
/// the number of its pages.
fn serve(point: &mut Point) -> Option<(Served, u64)> {
    let (site, Body::Crawl(crawl)) = (point.site.as_mut()?, &mut point.plan.job.body) else {
        return None;
    };
    *site = Site::new(SiteSpec { error_permille: 300, ..site.spec().clone() }).unwrap();
    let served = Served::start(site.clone(), u64::from(crawl.per_host));
    crawl.upstream = served.address;
    Some((served, u64::from(site.pages())))
}

/// Files with names and sizes at which something could go wrong.
fn write_files(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for (name, length) in [("empty", 0), ("one slice", 65_536), ("more", 65_537), ("caf\u{e9}", 9)]
    {
        fs::write(folder.join(name), vec![b'x'; length]).unwrap();
    }
}

/// Points that the smoke tier leaves out: more than one slice, the largest seed, no task at all,
/// pieces shorter than a line, many pages on few hosts.
fn corners(folder: &Path) -> Vec<Point> {
    let point = |seed, tasks, body| {
        let job = Job { seed, body };
        point_of(Plan { job, shape: Shape::Bag { tasks }, overlap: 0, task_timeout_ms: None })
    };
    let log = folder.join("log");
    let bytes = common::input::access_log::ensure(&log, 1, 5_000).unwrap();
    let piece_bytes = 40;
    let pieces = |answer| {
        let body = Body::AccessLog(AccessLog { log: log.clone(), piece_bytes, answer });
        point(0, bytes.div_ceil(piece_bytes), body)
    };
    let spin = Spin { iterations: 40_000, tasks: 3, spread: Spread::Uniform };
    vec![
        point(u64::MAX, 3, Body::Spin(spin)),
        point(0, 0, Body::Wait(Wait { wait_us: 0 })),
        pieces(LogAnswer::Aggregates),
        pieces(LogAnswer::Records),
        narrow_crawl(),
    ]
}

/// A crawl in which only politeness limits how many pages are asked for at the same time.
fn narrow_crawl() -> Point {
    let spec = SiteSpec {
        seed: 1,
        pages: 150,
        hosts: 2,
        median_latency: Duration::from_millis(2),
        sigma: 0.5,
        error_permille: 0,
    };
    let crawl = Crawl { upstream: ([127, 0, 0, 1], 0).into(), hosts: 2, per_host: 2 };
    let job = Job { seed: 1, body: Body::Crawl(crawl) };
    let plan = Plan { job, shape: Shape::Graph, overlap: 16, task_timeout_ms: None };
    Point { site: Some(Site::new(spec).unwrap()), ..point_of(plan) }
}

#[test]
fn counts_the_units_really_created() {
    let mut host = host!();
    let job = Job { seed: 0, body: Body::Wait(Wait { wait_us: 100 }) };
    let plan = Plan { job, shape: Shape::Bag { tasks: 100 }, overlap: 100, task_timeout_ms: None };
    for (lane, units) in LANES.into_iter().zip([1, 100, 32, 100]) {
        open(&mut host, lane, &plan);
        assert_eq!(run(&mut host, &plan).units, units, "{lane}");
        close_clean(&mut host);
    }
    host.leave();
}

/// The time of a step in the host.
fn calibrate(host: &mut Host) -> f64 {
    let reply = host.ask(&Request::Calibrate { budget_ms: 20 });
    let Reply::Calibrated { ns_per_iteration } = reply else { panic!("{reply:?}") };
    assert!(ns_per_iteration > 1.0, "{ns_per_iteration} ns: nothing was computed");
    ns_per_iteration
}
