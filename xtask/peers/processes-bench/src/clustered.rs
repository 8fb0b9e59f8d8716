//! A pool whose calls go through a broker to nodes, all on this machine, and that each of its calls was
//! executed once.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use cluster::Cluster;
use processes::Pool;
use sampler::Sample;

/// What contenders that use it are called.
pub(crate) const NAME: &str = "processes";

/// How long nodes may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls to warm up; their numbers are above all others.
const WARM_UP: std::ops::Range<u64> = 1 << 40..(1 << 40) + 1_000;

/// The file of notes, in the folder of the cluster.
const NOTES: &str = "notes";

processes::task! {
    "bench.noted" =>
    /// Returns its argument, and notes it where there is a cluster: about a microsecond.
    pub(crate) fn noted(x: u64) -> u64 {
        static NOTES_OF_THIS_WORKER: OnceLock<Option<File>> = OnceLock::new();
        if let Some(mut file) = NOTES_OF_THIS_WORKER.get_or_init(open_notes).as_ref() {
            // Short appends to a file are not torn.
            file.write_all(&x.to_le_bytes()).expect("the file can be written to");
        }
        x
    }
}

processes::task! {
    "bench.waits" =>
    /// Returns its argument after a while, in which it needs no processor.
    #[expect(clippy::disallowed_methods, reason = "waiting is the work")]
    pub(crate) fn waits(x: u64) -> u64 {
        thread::sleep(WAIT);
        x
    }
}

/// How long [`waits`] takes.
pub(crate) const WAIT: Duration = Duration::from_millis(5);

/// The notes of the cluster that this process belongs to, if it does.
fn open_notes() -> Option<File> {
    let path = Path::new(&env::var_os(Cluster::FOLDER)?).join(NOTES);
    Some(OpenOptions::new().create(true).append(true).open(path).expect("the folder is there"))
}

/// Takes a sample with a cluster whose nodes have so many workers each, all of them up.
pub(crate) fn sampled(slots: &[usize], sample: impl FnOnce(&Pool, &Cluster) -> Sample) -> Sample {
    let cluster = Cluster::start(slots).unwrap_or_else(|why| panic!("{why}"));
    let pool = Pool::connect(cluster.url()).expect("the broker listens");
    let (deadline, workers) = (Instant::now() + PATIENCE, slots.iter().sum());
    while pool.workers() < workers {
        assert!(Instant::now() < deadline, "the nodes are not there: {}", cluster.last_words());
        thread::park_timeout(Duration::from_millis(1));
    }
    warm_up(&pool);
    let sample = sample(&pool, &cluster);
    pool.shutdown();
    cluster.stop().unwrap_or_else(|why| panic!("{why}"));
    sample
}

/// Has all workers execute something, and the pool learn how long a call takes.
pub(crate) fn warm_up(pool: &Pool) {
    let calls = pool.map(noted, WARM_UP).map(|result| result.expect("no call fails"));
    assert!(calls.eq(WARM_UP), "calls return their arguments");
}

/// A sample whose calls were [`noted`], with what is wrong if one of them was not executed once.
pub(crate) fn once_each(sample: Sample, cluster: &Cluster) -> Sample {
    let notes = fs::read(cluster.folder().join(NOTES)).expect("the calls to warm up were noted");
    let misdone = misdone(&notes, sample.units);
    Sample { problem: sample.problem.or(misdone), ..sample }
}

/// The first of the calls `0..units` that was not executed once, by these notes.
fn misdone(notes: &[u8], units: u64) -> Option<String> {
    let mut times = vec![0_u32; usize::try_from(units).expect("it fits into memory")];
    for bytes in notes.chunks(size_of::<u64>()) {
        let Ok(bytes) = bytes.try_into() else { return Some("a note is torn".into()) };
        let number = usize::try_from(u64::from_le_bytes(bytes));
        if let Some(times) = number.ok().and_then(|number| times.get_mut(number)) {
            *times += 1;
        }
    }
    let (call, times) = times.iter().enumerate().find(|(_, times)| **times != 1)?;
    Some(format!("call {call} was executed {times} times"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_were_not_executed_once_are_found() {
        let notes = |numbers: &[u64]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
        };
        assert_eq!(misdone(&notes(&[2, 0, 1, WARM_UP.start]), 3), None);
        let found = |numbers: &[u64]| misdone(&notes(numbers), 3).unwrap_or_default();
        assert_eq!(found(&[2, 0, 2, 1]), "call 2 was executed 2 times");
        assert_eq!(found(&[0, 2]), "call 1 was executed 0 times");
        assert_eq!(misdone(&notes(&[0])[..7], 1).unwrap_or_default(), "a note is torn");
    }
}
