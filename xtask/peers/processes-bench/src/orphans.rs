//! A parent that is killed while its workers are in the middle of a call.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use processes::{Pool, Queue};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Tally, Times};

use crate::helper;

/// Workers of the parent.
const WORKERS: usize = 8;

/// The most that may pass until they are gone, in nanoseconds.
const GONE: f64 = 100e6;

/// The metric.
pub(crate) fn metric() -> Metric {
    Metric {
        name: "parent-killed".into(),
        about: format!(
            "From SIGKILL, which hits a parent whose {WORKERS} workers are in the middle of a \
             call, until the last of them is gone. death-signal: programs that the kernel kills \
             with their parent. (Workers of multiprocessing.Pool stay for ever.)"
        ),
        unit: "parent",
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 10, smoke: 2 },
        named_only: false,
        baseline: None,
        ours: contender("processes", "pool"),
        peers: vec![contender("death-signal", "programs").peer().required(Goal::CostAtMost(GONE))],
    }
}

/// Parents with children of this kind.
fn contender(name: &'static str, kind: &'static str) -> Contender {
    Contender::new(name, move |units| {
        // Children whose parent is gone are ours to wait for.
        set_child_subreaper(Some(getpid())).expect("Linux has it");
        let taken: Vec<Duration> = (0..units).map(|_| kill_one(kind)).collect();
        let wall: Duration = taken.iter().sum();
        let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        let times = Times { wall_ns, cpu_ns: 0 };
        let found = Tally::of_count(taken.len() as u64);
        Sample::new(units, times, found, Tally::of_count(units))
    })
}

/// Starts a parent, kills it, and waits for its children.
fn kill_one(kind: &str) -> Duration {
    let mut command = helper::command("orphanage");
    let mut parent: Child =
        command.arg(kind).stdout(Stdio::piped()).spawn().expect("a process can be started");
    let mut said = String::new();
    let output = parent.stdout.take().expect("it is piped");
    BufReader::new(output).read_line(&mut said).expect("the parent says who its children are");
    let pids: Vec<Pid> = said
        .split_whitespace()
        .map(|pid| Pid::from_raw(pid.parse().expect("it is a number")).expect("it is a process"))
        .collect();
    assert_eq!(pids.len(), WORKERS, "all have started: {said}");
    let begin = Instant::now();
    parent.kill().expect("it is our child");
    parent.wait().expect("it is our child");
    for pid in pids {
        waitpid(Some(pid), WaitOptions::empty()).expect("it is ours now");
    }
    begin.elapsed()
}

/// The parent: prints who its children are and waits.
pub(crate) fn parent(kind: &str) {
    if kind == "pool" {
        pool();
    } else {
        programs();
    }
}

/// A parent with a pool whose workers are in the middle of a call.
fn pool() {
    let pool = Pool::new(WORKERS).expect("processes can be started");
    let started = Queue::bounded(WORKERS).expect("descriptors are left");
    let calls: Vec<_> = (0..WORKERS).map(|_| pool.submit(call, started.clone())).collect();
    announce(calls.iter().map(|_| started.get().expect("each call starts")));
    sleep();
}

/// A parent with programs that the kernel ends with it.
fn programs() {
    let children: Vec<Child> = (0..WORKERS).map(|_| helper::asleep()).collect();
    announce(children.iter().map(Child::id));
    sleep();
}

/// Says who the children are.
fn announce(pids: impl Iterator<Item = u32>) {
    let pids: Vec<String> = pids.map(|pid| pid.to_string()).collect();
    println!("{}", pids.join(" "));
}

/// A call that says who executes it and does not end.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn call(started: Queue<u32>) {
    started.put(std::process::id()).expect("the queue is open");
    forever();
}

/// Says that it is there, and waits to be killed.
pub(crate) fn sleep() {
    // Nobody may be listening any more.
    drop(writeln!(std::io::stdout(), "asleep"));
    forever();
}

/// Waits to be killed.
fn forever() -> ! {
    loop {
        std::thread::park();
    }
}
