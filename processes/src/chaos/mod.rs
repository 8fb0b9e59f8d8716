//! Chaos: pools under everything that can go wrong, at once and from a seed.
//!
//! A *storm* is a process of its own with a pool and some hundred calls. Inside of them happens what
//! can ([`act`]): panics, exits, crashes, hangs, values that do not travel, and deaths at each step
//! of a call, between the claim and the moment after its result was sent ([`crate::fault`]). From
//! outside come kills, stops, times without descriptors and without shared memory, and changes of
//! the number of workers ([`trouble`]). What must hold ([`judge`]):
//!
//! - each call resolves, within a bound, and once; the pool's own books agree;
//! - with its own result or its own error: nobody is blamed for another one's crash, nobody has
//!   another one's answer;
//! - it ran as often as it asked for, at most;
//! - in the end there are as many children and descriptors as before.
//!
//! In the crate's tests a few storms are run, always the same. `cargo xtask verify processes` runs
//! as many as fit into a time, from a seed of its own: it sets [`SECONDS`] and [`SEED`]. A seed fixes
//! what is tried, not how the machine schedules it, so a failure may need more than one repetition.

mod act;
mod count;
mod judge;
mod orphans;
mod random;
mod storm;
mod trouble;

pub(crate) use random::Random;

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{JoinError, ProcessBuilder};

/// Anything that takes longer is taken for a hang.
const BOUND: Duration = Duration::from_secs(30);

/// How long the storms may go on, in seconds.
const SECONDS: &str = "TRIPTYCH_SECONDS";

/// The first seed, in decimal.
const SEED: &str = "TRIPTYCH_SEED";

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// Calls `round` with one seed after the other: `few` of them, or those for which there is time if
/// somebody has given some. A `part` of that time is for this test.
///
/// Returns whether there were as many as `few`.
pub(crate) fn for_seeds(few: u64, part: u32, mut round: impl FnMut(u64)) -> bool {
    let first = number(SEED).unwrap_or(1);
    let start = Instant::now();
    let limit = number(SECONDS).map(|seconds| Duration::from_secs(seconds) / part);
    let mut count = 0;
    while limit.map_or(count < few, |limit| start.elapsed() < limit) {
        round(first.wrapping_add(count));
        count += 1;
    }
    println!("{count} seeds from {first} on, {:.0} s", start.elapsed().as_secs_f64());
    count >= few
}

/// Waits until `condition` holds.
///
/// # Errors
/// It does not, within [`BOUND`].
#[expect(clippy::disallowed_methods, reason = "polls a condition of other processes")]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > BOUND {
            return Err(format!("still waiting: {what}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

#[test]
fn storms() {
    let mut sum = storm::Report::default();
    let enough = for_seeds(8, 3, |seed| {
        // What its calls and its panics print says nothing.
        let builder = ProcessBuilder::new().name("storm").stderr(Stdio::null());
        let process = builder.spawn(storm::run, seed).expect("a process for the storm");
        let ended = process.join_timeout(4 * BOUND);
        let report = ended.unwrap_or_else(|_| panic!("the storm of seed {seed} does not end"));
        match report {
            Ok(Ok(report)) => sum.add(&report),
            other => panic!("the storm of seed {seed}: {other:?}"),
        }
    });
    println!("{sum:?}");
    if !enough {
        return;
    }
    let (ends, troubles) = (sum.ends, sum.troubles);
    assert!(ends.returned > ends.lost && ends.lost > 0 && ends.otherwise > 0, "{sum:?}");
    assert!(troubles.kills > 0 && troubles.stops > 0 && troubles.resizes > 0, "{sum:?}");
    assert!(troubles.hoards > 0 && troubles.famines > 0, "{sum:?}");
    assert!(sum.armed.iter().all(|&times| times > 0), "{sum:?}");
}

#[test]
fn nobody_outlives_a_parent_that_is_killed() {
    for_seeds(6, 6, |seed| {
        let name = format!("orphans-{}-{seed}", std::process::id());
        let process = crate::spawn(orphans::doomed, (seed, name.clone())).unwrap();
        let ended = process.join_timeout(4 * BOUND);
        let ended = ended.unwrap_or_else(|_| panic!("seed {seed} does not end"));
        assert!(matches!(ended, Err(JoinError::WorkerLost { signal: Some(9), .. })), "{ended:?}");
        let mut left = Vec::new();
        let gone = wait_until("workers and their children go", || {
            left = count::processes_called(&name);
            left.is_empty()
        });
        gone.unwrap_or_else(|why| panic!("seed {seed}: {why}: {left:?}"));
    });
}
