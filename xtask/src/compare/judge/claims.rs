//! The classic answer, sentence by sentence, each as something that can be measured.

use serde::{Deserialize, Serialize};

use crate::compare::record::{Cell, Run};

use super::{
    faults,
    series::{Comparison, Judgement, Metric},
    words,
};

/// A sentence of the classic answer with the comparison that decides it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The sentence.
    pub says: &'static str,
    /// What decides it.
    pub test: Test,
}

/// What decides a claim.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// Lane `a` compared with lane `b`.
    Compare {
        /// The workload.
        workload: &'static str,
        /// Which of its points.
        point: Which,
        /// On what.
        metric: Metric,
        /// The first lane.
        a: &'static str,
        /// The second lane.
        b: &'static str,
        /// What the sentence expects of the first.
        expects: Expects,
    },
    /// The lane survives abort, segfault and exit with everything but the culprit, or does not.
    Survives {
        /// The lane.
        lane: &'static str,
        /// Whether the sentence expects it to.
        expects: bool,
    },
}

/// Which point of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// The last.
    Last,
}

/// What a sentence expects of the first lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// That it needs less.
    Less,
    /// That it does not need less.
    NotLess,
    /// That it needs more.
    More,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimResult {
    /// The sentence.
    pub says: String,
    /// Whether it holds.
    pub finding: Finding,
    /// What was seen.
    pub evidence: String,
    /// The comparison behind it, where there is one.
    pub comparison: Option<Comparison>,
}

/// Whether a sentence holds here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// It does.
    Holds,
    /// It does not.
    Refuted,
    /// The measurements do not tell.
    Inconclusive,
    /// It was not measured.
    NotMeasured,
}

/// A comparison of wall-clock times.
const fn wall(
    workload: &'static str,
    point: Which,
    (a, b): (&'static str, &'static str),
    expects: Expects,
) -> Test {
    Test::Compare { workload, point, metric: Metric::Wall, a, b, expects }
}

/// A comparison of memory per wait.
const fn memory((a, b): (&'static str, &'static str), expects: Expects) -> Test {
    Test::Compare { workload: "io.wait", point: Last, metric: Metric::MemoryPerUnit, a, b, expects }
}

use Expects::{Less, More, NotLess};
use Which::{First, Last};

/// The sentences, in the order of the classic answer.
pub const CLAIMS: [Claim; 17] = [
    Claim {
        says: "Python threads do not speed up computing",
        test: wall("cpu.coarse", First, ("py-threads", "py-seq"), NotLess),
    },
    Claim {
        says: "Rust threads under one lock do not speed up computing either",
        test: wall("cpu.coarse", First, ("gil", "seq"), NotLess),
    },
    Claim {
        says: "Rust threads without such a lock do speed up computing",
        test: wall("cpu.coarse", First, ("threads", "seq"), Less),
    },
    Claim {
        says: "threads under one lock still help with waiting (Python)",
        test: wall("io.wait", First, ("py-threads", "py-seq"), Less),
    },
    Claim {
        says: "threads under one lock still help with waiting (Rust)",
        test: wall("io.wait", First, ("gil", "seq"), Less),
    },
    Claim {
        says: "processes give real concurrency (Python)",
        test: wall("cpu.coarse", First, ("py-mp", "py-seq"), Less),
    },
    Claim {
        says: "processes give real concurrency (Rust)",
        test: wall("cpu.coarse", First, ("processes", "seq"), Less),
    },
    Claim {
        says: "for computing, Python processes beat Python threads",
        test: wall("cpu.coarse", First, ("py-mp", "py-threads"), Less),
    },
    Claim {
        says: "processes are slower than threads: at tasks of milliseconds",
        test: wall("cpu.coarse", First, ("processes", "threads"), More),
    },
    Claim {
        says: "processes are slower than threads: when results are sent back",
        test: wall("real.access-log", Last, ("processes", "threads"), More),
    },
    Claim {
        says: "many waits at once: an event loop is faster than threads (Rust)",
        test: wall("io.wait", Last, ("evented", "threads"), Less),
    },
    Claim {
        says: "many waits at once: an event loop is faster than threads (Python)",
        test: wall("io.wait", Last, ("py-asyncio", "py-threads"), Less),
    },
    Claim {
        says: "a wait costs an event loop less memory than threads (Rust)",
        test: memory(("evented", "threads"), Less),
    },
    Claim {
        says: "a wait costs an event loop less memory than threads (Python)",
        test: memory(("py-asyncio", "py-threads"), Less),
    },
    Claim {
        says: "processes survive an abort, a segfault and an exit",
        test: Test::Survives { lane: "processes", expects: true },
    },
    Claim {
        says: "threads do not survive an abort, a segfault and an exit",
        test: Test::Survives { lane: "threads", expects: false },
    },
    Claim {
        says: "Python's multiprocessing.Pool survives an abort, a segfault and an exit",
        test: Test::Survives { lane: "py-mp", expects: true },
    },
];

/// What came of every claim.
pub fn claims(run: &Run) -> Vec<ClaimResult> {
    CLAIMS.iter().map(|claim| claim.check(run)).collect()
}

impl Claim {
    /// What came of it.
    fn check(&self, run: &Run) -> ClaimResult {
        let (finding, evidence, comparison) = match self.test {
            Test::Compare { workload, point, metric, a, b, expects } => {
                let point = which_point(run, workload, point).unwrap_or_default();
                let place = (workload, point.as_str());
                match Comparison::between(run, place, metric, a, b) {
                    Some(seen) => {
                        let finding = expects.finding(seen.judgement);
                        (finding, evidence(run, place, metric, (a, b), &seen), Some(seen))
                    }
                    None => (
                        Finding::NotMeasured,
                        format!("{workload}: {a} or {b} was not measured"),
                        None,
                    ),
                }
            }
            Test::Survives { lane, expects } => {
                let (finding, evidence) = survives(run, lane, expects);
                (finding, evidence, None)
            }
        };
        ClaimResult { says: self.says.into(), finding, evidence, comparison }
    }
}

impl Expects {
    /// Whether the sentence holds, given how the first lane compares with the second.
    fn finding(self, seen: Judgement) -> Finding {
        match (self, seen) {
            (_, Judgement::Inconclusive) => Finding::Inconclusive,
            (Less, Judgement::Faster)
            | (More, Judgement::Slower)
            | (NotLess, Judgement::Tie | Judgement::Slower) => Finding::Holds,
            _ => Finding::Refuted,
        }
    }
}

/// The label of the first or last point of a workload.
fn which_point(run: &Run, workload: &str, which: Which) -> Option<String> {
    let mut cells = run.cells.iter().filter(|cell| cell.workload == workload);
    let cell = match which {
        First => cells.next(),
        Last => cells.next_back(),
    };
    cell.map(|cell| cell.point.clone())
}

/// A comparison in words.
fn evidence(
    run: &Run,
    (workload, point): (&str, &str),
    metric: Metric,
    (a, b): (&str, &str),
    seen: &Comparison,
) -> String {
    let word = match seen.judgement {
        Judgement::Inconclusive if metric == Metric::Wall => {
            format!("cannot tell; the noise floor is {}", words::percent(seen.band))
        }
        judgement => words::word(judgement).into(),
    };
    match metric {
        Metric::Wall => format!("{a} is {} on {workload} {point}: {word}", words::speed(seen, b)),
        Metric::Cpu => format!(
            "{a} spends {} of {b}'s processor time on {workload} {point}: {word}",
            words::share(seen)
        ),
        Metric::MemoryPerUnit => {
            let each = |lane| {
                let median = super::series::median_of(run, (workload, point), metric, lane);
                median.map_or_else(|| "?".into(), words::bytes)
            };
            format!(
                "{a} needs {} the memory of {b}, {} a wait against {}: {}",
                words::share(seen),
                each(a),
                each(b),
                match seen.judgement {
                    Judgement::Faster => "less",
                    Judgement::Slower => "more",
                    judgement => words::word(judgement),
                }
            )
        }
    }
}

/// Whether a lane survives what ends a process.
fn survives(run: &Run, lane: &str, expects: bool) -> (Finding, String) {
    let fatal = |cell: &&Cell| ["abort", "segfault", "exit"].contains(&cell.point.as_str());
    let cells = run
        .cells
        .iter()
        .filter(|cell| cell.workload == faults::WORKLOAD && cell.lane == lane)
        .filter(fatal);
    let seen: Vec<(&Cell, bool)> =
        cells.filter_map(|cell| Some((cell, faults::survived(cell)?))).collect();
    if seen.is_empty() {
        return (Finding::NotMeasured, format!("fault.matrix: {lane} was not measured"));
    }
    let told: Vec<String> = seen
        .iter()
        .filter_map(|(cell, _)| Some((cell, cell.fault.as_ref()?)))
        .map(|(cell, fault)| {
            format!("{} {} of {} back", cell.point, fault.survivors, fault.healthy)
        })
        .collect();
    let all = seen.iter().all(|(_, survived)| *survived);
    let none = seen.iter().all(|(_, survived)| !survived);
    let finding = match (expects, all, none) {
        (true, true, _) | (false, _, true) => Finding::Holds,
        _ => Finding::Refuted,
    };
    (finding, format!("{lane}: {}", told.join(", ")))
}
