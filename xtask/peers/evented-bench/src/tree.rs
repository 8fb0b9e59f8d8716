//! A tree of tasks, each of which spawns and awaits its children: the benchmark `async_tree` of
//! pyperformance, with its depth and its number of branches.

use std::{future::Future, pin::Pin, time::Duration};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::loops::{Evented, Local, Recorded, Smol, TokioLocal};

/// Children of each task that has some.
const BRANCHES: u64 = 6;

/// Levels of tasks below the root.
const LEVELS: u32 = 6;

/// Tasks of a tree.
const TASKS: u64 = 55_987;

/// What each leaf waits for where leaves wait.
const WAIT: Duration = Duration::from_millis(50);

/// The most that our trees are to take, in nanoseconds.
const STRETCH: [f64; 2] = [9e6, 14e6];

/// The metrics.
pub(crate) fn metrics() -> [Metric; 2] {
    let metric = |name: &str, about: &str, waits, stretch: f64| Metric {
        name: name.into(),
        about: format!(
            "{TASKS} tasks, {BRANCHES} children each down to the leaves on level {LEVELS}; {about}"
        ),
        unit: "task",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: TASKS, step: TASKS },
        named_only: false,
        baseline: None,
        ours: contender::<Evented>(waits),
        peers: vec![
            contender::<TokioLocal>(waits).peer().stretch(Goal::CostAtMost(stretch / TASKS as f64)),
            contender::<Smol>(waits).peer(),
            contender::<Recorded>(waits).peer(),
        ],
    };
    let [none, io] = STRETCH;
    [
        metric("tree.none", "nothing waits but for its children.", false, none),
        metric("tree.io", "each leaf sleeps for 50 ms.", true, io),
    ]
}

/// A task with its children; gives how many tasks that are.
fn node<L: Local>(level: u32, waits: bool) -> Pin<Box<dyn Future<Output = u64>>> {
    Box::pin(async move {
        if level == LEVELS {
            if waits {
                L::sleep(WAIT).await;
            }
            return 1;
        }
        let child = |_| L::spawn_local(node::<L>(level + 1, waits));
        let children: Vec<_> = (0..BRANCHES).map(child).collect();
        let mut tasks = 1;
        for child in children {
            tasks += child.await;
        }
        tasks
    })
}

/// This loop.
fn contender<L: Local>(waits: bool) -> Contender {
    Contender::new(L::NAME, move |units| {
        L::run(async move {
            let watch = Stopwatch::start();
            let mut tasks = 0;
            for _ in 0..units / TASKS {
                tasks += node::<L>(0, waits).await;
            }
            Sample::new(units, watch.stop(), Tally::of_count(tasks), Tally::of_count(units))
        })
    })
}
