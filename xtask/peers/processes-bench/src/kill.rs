//! Workers that are killed in the middle of a call.

use std::time::{Duration, Instant};

use processes::{JoinError, Pool, Queue};
use rustix::process::{Pid, Signal, kill_process};
use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Tally, Times};

use crate::{executor::same, helper, python};

/// The name of the first metric.
const TO_RESULT: &str = "kill.to-result";

/// The most that may pass until a kill is noticed, in nanoseconds.
const NOTICED: f64 = 5e6;

/// The most that may pass until there is another worker, in nanoseconds.
const REPLACED: f64 = 10e6;

/// The metrics.
pub(crate) fn metrics(workers: usize) -> [Metric; 2] {
    let python = |name| python::contender(TO_RESULT, name, workers).peer();
    let metric = |name: &str, about: &str, ours, peers| Metric {
        name: name.into(),
        about: format!(
            "From SIGKILL, which hits a worker in the middle of a call, {about}: the 99th \
             percentile of so many kills, each of the only worker of its pool."
        ),
        unit: "kill",
        cost: Cost::Wall,
        amount: Amount::Fixed { units: 100, smoke: 3 },
        named_only: false,
        baseline: None,
        ours,
        peers,
    };
    let noticed = std_wait().peer();
    let noticed =
        noticed.required(Goal::CostAtMost(2.0 * NOTICED)).stretch(Goal::CostAtMost(NOTICED));
    let replaced = std_restart().peer();
    let replaced =
        replaced.required(Goal::CostAtMost(2.0 * REPLACED)).stretch(Goal::CostAtMost(REPLACED));
    [
        metric(
            TO_RESULT,
            "until its caller is told (multiprocessing.Pool never tells, so it is not measured)",
            ours(),
            vec![noticed, python("py-executor"), python("pebble")],
        ),
        metric(
            "kill.to-next",
            "until another worker has executed the next call",
            ours_next(),
            vec![replaced],
        ),
    ]
}

/// A call that says who executes it and then waits to be killed.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn victim(started: Queue<i32>) {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    started.put(me).expect("the queue is open");
    // Nobody puts anything into a queue of its own.
    let never = Queue::<u8>::bounded(1).expect("descriptors are left");
    drop(never.get());
}

/// Makes the call, waits until it runs, and kills its worker; the handle, and when that was.
fn kill(pool: &Pool) -> (processes::JoinHandle<()>, Instant) {
    // A pool gives up when workers die one after the other before they have a result.
    assert_eq!(pool.submit(same, 7).join().expect("the call does not fail"), 7);
    let started = Queue::bounded(1).expect("descriptors are left");
    let call = pool.submit(victim, started.clone());
    let pid = started.get_timeout(Duration::from_secs(10)).expect("the call starts");
    let pid = Pid::from_raw(pid).expect("it is a process");
    let begin = Instant::now();
    kill_process(pid, Signal::KILL).expect("it is our child");
    (call, begin)
}

/// This pool, until the handle tells.
fn ours() -> Contender {
    Contender::new("processes", |units| {
        let pool = Pool::new(1).expect("a process can be started");
        sample(units, || {
            let (call, begin) = kill(&pool);
            let ended = call.join();
            let took = begin.elapsed();
            matches!(ended, Err(JoinError::WorkerLost { .. })).then_some(took)
        })
    })
}

/// This pool, until the next call has its result.
fn ours_next() -> Contender {
    Contender::new("processes", |units| {
        let pool = Pool::new(1).expect("a process can be started");
        sample(units, || {
            let (_call, begin) = kill(&pool);
            let next = pool.submit(same, 7).join();
            let took = begin.elapsed();
            matches!(next, Ok(7)).then_some(took)
        })
    })
}

/// A child, and who waits for it: what no pool can be faster than.
fn std_wait() -> Contender {
    Contender::new("std-wait", |units| {
        sample(units, || {
            let mut child = helper::asleep();
            let begin = Instant::now();
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            Some(begin.elapsed())
        })
    })
}

/// The same, and another program that does nothing.
fn std_restart() -> Contender {
    Contender::new("std-restart", |units| {
        sample(units, || {
            let mut child = helper::asleep();
            let begin = Instant::now();
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            helper::command("exit").status().expect("a process can be started");
            Some(begin.elapsed())
        })
    })
}

/// So many kills, as if each had taken as long as the 99th percentile. `kill` says how long it took,
/// or that the wrong thing happened.
fn sample(units: u64, kill: impl Fn() -> Option<Duration>) -> Sample {
    let mut times: Vec<Duration> = (0..units).filter_map(|_| kill()).collect();
    times.sort_unstable();
    let right = times.len();
    let slow = right.checked_sub(1 + right / 100).map_or(Duration::ZERO, |index| times[index]);
    let wall = slow.as_nanos() * u128::from(units);
    let wall_ns = u64::try_from(wall).unwrap_or(u64::MAX);
    let times = Times { wall_ns, cpu_ns: 0 };
    Sample::new(units, times, Tally::of_count(right as u64), Tally::of_count(units))
}
