//! What the recorder costs: `cargo bench -p evented --bench recorder`.
//!
//! Two reactors, one with a recorder and one without, do the same in turns, so that whatever disturbs the
//! machine disturbs both. Processor time of this thread is taken, and the medians are compared.
//!
//! `recorder on POLLS`, or `off`, does so many polls and nothing else, to have its instructions counted:
//! the difference of two runs, divided by the difference of their polls, is the cost of a poll. Time is
//! virtual then, as turns that are bounded by time are not the same in a slow program.

use std::time::Duration;

use evented::record::RecorderSpec;
use evented::{Builder, Reactor, join_all, spawn, yield_now};
use rustix::time::{ClockId, clock_gettime};

/// Tasks that yield.
const TASKS: u64 = 100;
/// Polls of a sample.
const POLLS: u64 = 200_000;
/// Samples of each kind.
const SAMPLES: usize = 41;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [which @ ("on" | "off"), polls] => {
            let reactor = builder(which == "on").virtual_time().build().expect("no descriptor");
            yields(&reactor, polls.parse().expect("a number of polls"));
        }
        _ => compare(arguments.iter().any(|argument| argument == "--test")),
    }
}

fn builder(recorded: bool) -> Builder {
    let spec = if recorded { RecorderSpec::new() } else { RecorderSpec::off() };
    Reactor::builder().recorder(spec)
}

/// Does so many polls.
fn yields(reactor: &Reactor, polls: u64) {
    let before = reactor.stats().polls;
    reactor.block_on(async {
        let tasks = (0..TASKS).map(|_| {
            spawn(async move {
                for _ in 0..polls / TASKS {
                    yield_now().await;
                }
            })
        });
        join_all(tasks).await
    });
    assert!(reactor.stats().polls - before >= polls, "each yield is a poll");
}

/// Spawns and awaits so many tasks.
fn spawns(reactor: &Reactor, tasks: u64) {
    reactor.block_on(async {
        for _ in 0..tasks {
            spawn(async {}).await.expect("it returns");
        }
    });
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("it is not negative")
}

/// What is measured: its name, what does it so many times, and how many.
type Kind = (&'static str, fn(&Reactor, u64), u64);

/// Compares both reactors.
fn compare(once: bool) {
    let reactor = |recorded| builder(recorded).build().expect("descriptors are left");
    let (recorded, plain) = (reactor(true), reactor(false));
    let (samples, units) = if once { (1, TASKS) } else { (SAMPLES, POLLS) };
    let kinds: [Kind; 2] =
        [("poll that yields", yields, units), ("spawn + join", spawns, units / 4)];
    for (name, work, units) in kinds {
        let mut costs = [Vec::new(), Vec::new()];
        for sample in 0..2 * samples {
            // In turns, each first as often as the other.
            let which = (sample / 2 + sample) % 2;
            let start = thread_cpu();
            work([&plain, &recorded][which], units);
            costs[which].push(thread_cpu().saturating_sub(start).as_nanos() as f64 / units as f64);
        }
        let [off, on] = costs.map(|mut costs| {
            costs.sort_by(f64::total_cmp);
            costs[costs.len() / 2]
        });
        println!("{name}: {off:.1} ns without, {on:.1} ns with a recorder: {:.1} ns", on - off);
    }
}
