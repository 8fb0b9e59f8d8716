//! Runs made by hand.

use common::{Digest, lane::Support};

use crate::compare::{
    judge::judge,
    record::{
        Cell, FaultResult, Finish, HostFate, Noise, Phase, Problem, ProblemKind, Run, SCHEMA,
        Sample, Verify,
    },
};

/// Rounds of each phase.
pub(super) const ROUNDS: usize = 6;

/// The waits of the points of `io.wait`.
const WAITS: [u64; 3] = [10, 1_000, 10_000];

/// The faults.
const FAULTS: [&str; 5] = ["panic", "abort", "segfault", "exit", "hang"];

/// A run without cells.
pub(super) fn empty() -> Run {
    let environment =
        [("cpu", "Example CPU 7"), ("cores", "2"), ("kernel", "Linux 6.1"), ("workers", "2")];
    Run {
        schema: SCHEMA.into(),
        started: "2026-01-02T03:04:05Z".into(),
        revision: Some("0123456789".into()),
        command: "cargo xtask compare".into(),
        tier: "quick".into(),
        seed: 1,
        finish: Finish::Complete,
        environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
        noise: Noise { rounds: 40, foreign_cpu: Some(0.01), ..Noise::default() },
        warnings: Vec::new(),
        missing: vec!["Python lanes: not found: python3.14t".into()],
        cells: Vec::new(),
        answers: Vec::new(),
        claims: Vec::new(),
    }
}

/// A run in which the classic answer holds, no two lanes tie, and everything was measured.
pub(super) fn classic() -> Run {
    let mut run = empty();
    for point in ["uniform", "skewed"] {
        for (lane, ms) in [
            ("seq", 128.0),
            ("threads", 60.0),
            ("processes", 75.0),
            ("evented", 140.0),
            ("evented x threads", 67.0),
            ("gil", 155.0),
            ("aa", 60.0),
            ("py-seq", 130.0),
            ("py-threads", 160.0),
            ("py-mp", 72.0),
        ] {
            run.cells.push(cell("cpu.coarse", point, lane, ms));
        }
    }
    run.cells.extend(WAITS.into_iter().flat_map(waits));
    real(&mut run);
    for point in FAULTS {
        let panic = point == "panic";
        for (lane, survives) in [
            ("threads", panic),
            ("processes", true),
            ("evented", panic),
            ("py-threads", panic),
            ("py-mp", point != "hang"),
        ] {
            run.cells.push(fault(point, lane, survives));
        }
    }
    for (grain_us, seq, threads) in [(1, 20.0, 80.0), (10, 60.0, 50.0), (1_000, 60.0, 31.0)] {
        for (lane, ms) in [("seq", seq), ("threads", threads), ("processes", 500.0)] {
            let mut cell = cell("cpu.fine", &format!("grain={grain_us}us"), lane, ms);
            (cell.grain_ns, cell.tasks) = (Some(grain_us * 1_000), Some(60_000 / grain_us));
            run.cells.push(cell);
        }
    }
    judge(&mut run);
    run
}

/// The cells of the real workloads.
fn real(run: &mut Run) {
    let hybrid = Support::Hybrid { with: "offload pool".into() };
    for (lane, ms) in [("seq", 90.0), ("threads", 50.0), ("processes", 57.0), ("evented", 80.0)] {
        run.cells.push(cell("real.tree-hash", "cache=warm", lane, ms));
    }
    for (point, times) in [
        ("returns=aggregates", [100.0, 55.0, 61.0, 67.0]),
        ("returns=records", [110.0, 58.0, 90.0, 70.0]),
    ] {
        for (lane, ms) in ["seq", "threads", "processes", "evented+offload"].into_iter().zip(times)
        {
            let mut cell = cell("real.access-log", point, lane, ms);
            if lane == "evented+offload" {
                cell.support = hybrid.clone();
            }
            run.cells.push(cell);
        }
    }
    for (lane, ms) in [("threads", 100.0), ("processes", 110.0), ("evented", 90.0)] {
        run.cells.push(cell("real.crawl", "", lane, ms));
    }
}

/// The cells of a point of `io.wait`.
fn waits(count: u64) -> Vec<Cell> {
    let many = count as f64;
    let lanes = [
        ("seq", 50.0 * many, 0.0),
        ("threads", 51.0 + many * 0.06, 60e3),
        ("processes", 70.0 + many * 0.8, 50e3),
        ("evented", 57.0 + many * 0.002, 1e3),
        ("gil", 66.0 + many * 0.09, 65e3),
        ("py-seq", 51.0 * many, 0.0),
        ("py-threads", 70.0 + many * 0.2, 100e3),
        ("py-asyncio", 60.0 + many * 0.01, 5e3),
    ];
    let make = |(lane, ms, bytes): (&str, f64, f64)| {
        let mut cell = cell("io.wait", &format!("waits={count}"), lane, ms);
        cell.tasks = Some(count);
        for sample in &mut cell.samples {
            sample.units = count;
            sample.peak_pss_bytes = Some(ns(5e6 + bytes * many));
        }
        if lane == "processes" {
            let why = "a process for each wait would take gigabytes".into();
            cell.support = Support::Ceiling { max: 64, why };
        }
        if lane.ends_with("seq") && count > 10 {
            cell.samples.clear();
            cell.verify.ok = None;
            cell.support =
                Support::No { why: format!("one after another, {count} waits take minutes") };
        }
        cell
    };
    lanes.into_iter().map(make).collect()
}

/// A verified cell whose rounds take about `ms`; with control rounds for the lanes that have them.
pub(super) fn cell(workload: &str, point: &str, lane: &str, ms: f64) -> Cell {
    let mut samples = Vec::new();
    let phases: &[Phase] = match lane {
        "threads" => &[Phase::Judged, Phase::Control],
        "aa" => &[Phase::Control],
        _ => &[Phase::Judged],
    };
    for phase in phases {
        samples.extend((0..ROUNDS).map(|round| sample(round, *phase, ms)));
    }
    Cell {
        workload: workload.into(),
        point: point.into(),
        size: format!("64 tasks, {point}"),
        lane: lane.into(),
        language: if lane.starts_with("py-") { "python" } else { "rust" }.into(),
        tasks: Some(64),
        grain_ns: None,
        support: Support::Native,
        verify: Verify { ok: Some(true), expected: Some(Digest::default()), problem: None },
        samples,
        fault: None,
    }
}

/// A sample of about `ms`: rounds differ a little, and all lanes alike.
fn sample(round: usize, phase: Phase, ms: f64) -> Sample {
    let wall_ns = ns(ms * 1e6 * (1.0 + 0.002 * round as f64));
    Sample {
        round,
        phase,
        quarantined: false,
        wall_ns,
        open_ns: 1_000_000,
        cpu_ns: Some(wall_ns * 2),
        peak_pss_bytes: Some(20_000_000),
        base_pss_bytes: None,
        context_switches: Some(10),
        units: 2,
        left: None,
    }
}

/// A cell of `fault.matrix`.
fn fault(point: &str, lane: &str, survives: bool) -> Cell {
    let mut cell = cell("fault.matrix", point, lane, 1.0);
    cell.samples.clear();
    cell.fault = Some(FaultResult {
        survivors: if survives { 63 } else { 0 },
        healthy: 63,
        culprit_named: survives,
        failed: Vec::new(),
        host: if survives { HostFate::Alive } else { HostFate::Died },
        how: None,
        recovered: survives,
    });
    cell
}

/// The cell of a run, to change it.
pub(super) fn find<'a>(run: &'a mut Run, place: (&str, &str), lane: &str) -> &'a mut Cell {
    let is =
        |cell: &&mut Cell| (&*cell.workload, &*cell.point, &*cell.lane) == (place.0, place.1, lane);
    run.cells.iter_mut().find(is).expect("the cell exists")
}

/// Makes a cell one with a problem; its samples stay.
pub(super) fn break_cell(cell: &mut Cell, kind: ProblemKind, why: &str) {
    cell.verify.ok = Some(false);
    cell.verify.problem = Some(Problem { kind, why: why.into() });
}

/// A count from a float that is known to fit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
fn ns(value: f64) -> u64 {
    value.round() as u64
}
