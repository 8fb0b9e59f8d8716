//! A pool with nothing to do.

use std::{fs, thread, time::Duration};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally, Times};

use crate::{
    executor::{Executor, started},
    python,
};

/// How long a pool may take to come to rest after its last call.
const SETTLE: Duration = Duration::from_millis(200);

/// The most processor time in an idle millisecond, in nanoseconds, that counts as none: 0.05 % of a
/// processor, most of it for reading what is measured.
const NONE_NS: f64 = 500.0;

/// The name of the metric.
const NAME: &str = "cpu.idle";

/// The metric.
pub(crate) fn metric(workers: usize) -> Metric {
    Metric {
        name: NAME.into(),
        about: "Processor time of a process and its workers, whose pool has made calls and has \
                none left. Ours is wrong when a thread of its pool or of a worker wakes up."
            .into(),
        unit: "millisecond",
        cost: Cost::Cpu,
        amount: Amount::Fixed { units: 1_000, smoke: 20 },
        named_only: false,
        baseline: None,
        ours: contender::<processes::Pool>(workers, true),
        peers: vec![
            python::contender(NAME, "py-pool", workers).peer().required(Goal::CostAtMost(NONE_NS)),
            python::contender(NAME, "py-executor", workers).peer(),
            contender::<procspawn::Pool>(workers, false).peer(),
        ],
    }
}

/// This pool; whether its threads must sleep.
fn contender<P: Executor>(workers: usize, sleeps: bool) -> Contender {
    Contender::new(P::NAME, move |units| {
        let pool = started::<P>(workers);
        pass(SETTLE);
        let before = Activity::of_tree();
        let watch = Stopwatch::start();
        pass(Duration::from_millis(units));
        let times = watch.stop();
        let after = Activity::of_tree();
        // It was idle, not dead.
        let found = Tally::of_count(pool.ask(units));
        let times = Times { cpu_ns: after.ran_ns - before.ran_ns, ..times };
        let mut sample = Sample::new(units, times, found, Tally::of_count(units));
        let wakeups = after.switches - before.switches;
        if sleeps && wakeups > 0 {
            sample.problem = Some(format!("the idle pool woke up {wakeups} times"));
        }
        sample
    })
}

/// What the threads of this process and its children have done so far.
#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    /// Processor time of all of them, in nanoseconds.
    ran_ns: u64,
    /// How many times they have gone to sleep or were interrupted, the main thread of this process
    /// left out: it waits for time to pass.
    switches: u64,
}

impl Activity {
    /// Of all of them.
    fn of_tree() -> Self {
        let me = std::process::id();
        let tasks = fs::read_dir("/proc/self/task").expect("proc is mounted").flatten();
        let children =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<String> = children.collect();
        let children = children.iter().flat_map(|pids| pids.split_whitespace());
        let mut all = Self::default();
        for pid in children.chain([me.to_string().as_str()]) {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
                let ran = read("schedstat");
                all.ran_ns += ran.split_whitespace().next().map_or(0, number);
                if *task.file_name() != *me.to_string() {
                    let status = read("status");
                    let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
                    all.switches +=
                        lines.filter_map(|line| line.split(':').nth(1)).map(number).sum::<u64>();
                }
            }
        }
        all
    }
}

/// The number in a text of the kernel.
fn number(text: &str) -> u64 {
    text.trim().parse().expect("the kernel writes numbers")
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "idleness for a time is what is measured")]
fn pass(time: Duration) {
    thread::sleep(time);
}
