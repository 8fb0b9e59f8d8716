//! Descriptors run out: an error that says what to do, and nothing else.

use std::sync::Mutex;

use processes::{JoinError, JoinHandle, Pool, Queue, Side};

use super::ended;
use super::system::{Resource, kill_at_once, limit};
use crate::support::{BOUND, descriptors, gated, gates, soon, wait_until};

/// Opens files until none can be opened, then closes `spare` of them.
fn hoard(spare: usize) -> Vec<std::fs::File> {
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    files.truncate(files.len().saturating_sub(spare));
    files
}

/// What a worker has opened.
static HOARD: Mutex<Vec<std::fs::File>> = Mutex::new(Vec::new());

/// Leaves a worker without descriptors.
fn starve(_: u8) {
    limit(Resource::Descriptors, 64);
    HOARD.lock().unwrap().extend(hoard(0));
}

/// Closes what [`starve`] has opened.
fn relent(_: u8) {
    HOARD.lock().unwrap().clear();
}

/// Its argument is long.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

/// Its argument has a descriptor.
#[expect(clippy::needless_pass_by_value, reason = "what is called owns its argument")]
fn filled(queue: Queue<u8>) -> usize {
    queue.len()
}

/// True when that is why a call has failed.
fn is_of_worker(error: &JoinError) -> bool {
    matches!(error, JoinError::Decode { side: Side::Worker, message, .. }
        if message.contains("no descriptor was left for it in the worker"))
}

#[test]
fn a_worker_without_descriptors_gets_a_successor() {
    // What lies in the arena needs none.
    let pool = Pool::new(1).unwrap();
    ended(pool.submit(starve, 0)).unwrap();
    assert_eq!(ended(pool.submit(length, vec![1; 200_000])).unwrap(), 200_000);
    assert_eq!(pool.stats().recycled, 0);
    let pool = Pool::builder().workers(1).arena(0).build().unwrap();
    ended(pool.submit(starve, 0)).unwrap();
    assert_eq!(ended(pool.submit(length, vec![1; 200_000])).unwrap(), 200_000);
    ended(pool.submit(starve, 0)).unwrap();
    let queues = [1, 2].map(|size| Queue::bounded(size).unwrap());
    let calls = queues.map(|queue| pool.submit(filled, queue));
    assert_eq!(calls.map(|call| ended(call).unwrap()), [0, 0]);
    assert_eq!((pool.stats().recycled, pool.stats().lost, pool.stats().failed), (2, 0, 0));
}

#[test]
fn an_item_that_brings_a_descriptor_goes_to_a_worker_that_has_room_for_it() {
    let pool = Pool::new(1).unwrap();
    ended(pool.submit(starve, 0)).unwrap();
    let queue = Queue::bounded(1).unwrap();
    let results: Vec<_> = pool.map(filled, (0..5).map(|_| queue.clone())).collect();
    assert!(results.into_iter().all(|result| result.unwrap() == 0));
    assert_eq!(pool.stats().recycled, 1);
}

#[test]
fn a_call_that_no_worker_has_a_descriptor_for_fails() {
    let starved: fn(u8) -> Result<(), String> = |x| {
        starve(x);
        Ok(())
    };
    let builder = Pool::builder().workers(1).arena(0).initializer(starved, 0);
    let pool = builder.build().unwrap();
    let error = ended(pool.submit(length, vec![1; 200_000])).unwrap_err();
    assert!(is_of_worker(&error), "{error}");
    let error = ended(pool.submit(filled, Queue::bounded(1).unwrap())).unwrap_err();
    assert!(is_of_worker(&error), "{error}");
    assert_eq!(ended(pool.submit(length, vec![1; 9])).unwrap(), 9, "it goes on");
    assert!(pool.stats().recycled <= 4, "{:?}", pool.stats());
}

#[test]
fn who_has_no_descriptors_fails_no_call_that_others_can_execute() {
    let pool = Pool::builder().workers(2).arena(0).build().unwrap();
    wait_until("both workers are ready", || pool.stats().ready == 2);
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    ended(pool.submit(starve, 0)).unwrap();
    let calls: Vec<_> = (0..5).map(|_| pool.submit(length, vec![1; 200_000])).collect();
    assert!(calls.into_iter().all(|call| ended(call).unwrap() == 200_000));
    gate.put(1).unwrap();
    ended(running).unwrap();
    assert_eq!((pool.stats().failed, pool.stats().recycled), (0, 1));
}

#[test]
fn when_no_successor_can_be_started_the_call_fails() {
    let short: fn(()) -> bool = |()| {
        limit(Resource::Descriptors, 128);
        let pool = Pool::builder().workers(1).arena(0).build().unwrap();
        ended(pool.submit(starve, 0)).unwrap();
        let queues = [1, 2].map(|size| Queue::bounded(size).unwrap());
        let hoarded = hoard(0);
        let [first, second] = queues;
        let error = ended(pool.submit(filled, first.clone())).unwrap_err();
        assert!(is_of_worker(&error), "{error}");
        ended(pool.submit(relent, 0)).unwrap();
        assert_eq!(ended(pool.submit(filled, first)).unwrap(), 0, "it is sent again");
        ended(pool.submit(starve, 0)).unwrap();
        assert_eq!(ended(pool.submit(length, vec![1; 9])).unwrap(), 9, "it goes on");
        drop(hoarded);
        wait_until("it is tried again", || pool.stats().started == 2);
        ended(pool.submit(filled, second)).unwrap() == 0
    };
    assert!(ended(processes::spawn(short, ()).unwrap()).unwrap());
}

/// As [`gated`], with a long argument.
fn held((_long, entered, gate): (Vec<u8>, Queue<u32>, Queue<u32>)) -> u32 {
    gated((entered, gate))
}

#[test]
fn an_idle_worker_waits_for_the_descriptor_of_a_busy_one() {
    let short: fn(usize) -> bool = |workers| {
        limit(Resource::Descriptors, 128);
        let pool = Pool::builder().workers(workers).arena(0).build().unwrap();
        wait_until("all workers are ready", || pool.stats().ready == workers);
        let (entered, gate) = gates();
        let running = pool.submit(held, (vec![1; 200_000], entered.clone(), gate.clone()));
        soon(&entered);
        let hoarded = hoard(0);
        let waits: Vec<_> = (0..3).map(|_| pool.submit(length, vec![1; 200_000])).collect();
        let behind = pool.submit(length, vec![1; 9]);
        if workers > 1 {
            assert_eq!(ended(behind).unwrap(), 9, "it passes by what waits");
        }
        assert!(waits.iter().all(|call| !call.is_finished()));
        gate.put(1).unwrap();
        assert!(waits.into_iter().all(|call| ended(call).unwrap() == 200_000));
        drop(hoarded);
        ended(running).unwrap() == 1
    };
    for workers in [1, 2] {
        assert!(ended(processes::spawn(short, workers).unwrap()).unwrap(), "{workers}");
    }
}

/// How starts go when there are ever more descriptors.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Sweep {
    /// Starts that were refused.
    refused: u32,
    /// Those that were begun, and found no descriptors later.
    broken: u32,
    /// Those with which everything went well.
    served: u32,
}

impl Sweep {
    /// Counts a start; what is said when there are no descriptors names the remedy.
    fn count(&mut self, started: Result<Result<u8, String>, String>) {
        let why = match started {
            Ok(Ok(value)) => {
                assert_eq!(value, 5);
                self.served += 1;
                return;
            }
            Ok(Err(why)) => {
                self.broken += 1;
                why
            }
            Err(why) => {
                self.refused += 1;
                why
            }
        };
        for part in ["too many open files", "may have 128", "ulimit -n"] {
            assert!(why.contains(part), "{why}");
        }
    }
}

/// In this process no panic is survived, as with `panic = "abort"`; then starts something with 0 to
/// 23 descriptors to spare.
fn sweep(start: fn() -> Result<Result<u8, String>, String>) -> Sweep {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        std::process::abort();
    }));
    limit(Resource::Descriptors, 128);
    let mut sweep = Sweep::default();
    for spare in 0..24 {
        let hoarded = hoard(spare);
        let started = start();
        drop(hoarded);
        sweep.count(started);
    }
    sweep
}

/// The outcome of a call, in words.
fn said(call: JoinHandle<u8>) -> Result<u8, String> {
    call.join_timeout(BOUND).expect("it resolves").map_err(|error| error.to_string())
}

#[test]
fn a_shortage_of_descriptors_at_any_step_of_a_start() {
    let sweeps: [fn(()) -> Sweep; 3] = [
        |()| {
            sweep(|| {
                let pool = Pool::new(1).map_err(|error| error.to_string())?;
                Ok(said(pool.submit(|x: u8| x, 5)))
            })
        },
        |()| {
            sweep(|| {
                let call = processes::spawn(|x: u8| x, 5).map_err(|error| error.to_string())?;
                Ok(said(call))
            })
        },
        |()| {
            sweep(|| {
                let actor = processes::spawn_actor(|x: u8| x, 5);
                let actor = actor.map_err(|error| error.to_string())?;
                Ok(actor.call_timeout(|x, ()| *x, (), BOUND).map_err(|error| error.to_string()))
            })
        },
    ];
    for started in sweeps {
        let swept = processes::spawn(started, ()).unwrap().join_timeout(4 * BOUND);
        let swept = swept.expect("no start hangs").expect("none panics");
        assert!(swept.served > 0 && swept.refused > 5, "{swept:?}");
    }
}

#[test]
fn a_shortage_of_descriptors_leaves_the_other_workers_alone() {
    let shortage: fn(()) -> bool = |()| {
        limit(Resource::Descriptors, 128);
        let pool = Pool::new(2).unwrap();
        wait_until("both workers are ready", || pool.stats().ready == 2);
        let (entered, gate) = gates();
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        let (worker, pids) = (soon(&entered), pool.pids());
        let hoarded = hoard(0);
        let idle = pids.into_iter().find(|&pid| pid != worker).unwrap();
        kill_at_once(idle);
        wait_until("its death is noticed", || pool.stats().ready == 1);
        // Calls and their results need no descriptors.
        let behind = pool.submit(|x: u8| x, 5);
        gate.put(6).unwrap();
        assert_eq!(running.join_timeout(BOUND).unwrap().unwrap(), 6);
        assert_eq!(behind.join_timeout(BOUND).unwrap().unwrap(), 5);
        drop(hoarded);
        wait_until("it is replaced", || pool.stats().ready == 2);
        true
    };
    assert!(ended(processes::spawn(shortage, ()).unwrap()).unwrap());
}

#[test]
fn arguments_that_wait_have_a_bounded_number_of_descriptors() {
    let many: fn(usize) -> usize = |arena| {
        limit(Resource::Descriptors, 160);
        let pool = Pool::builder().workers(2).arena(arena).build().unwrap();
        wait_until("both workers are ready", || pool.stats().ready == 2);
        let (entered, gate) = gates();
        let running = [(); 2].map(|()| pool.submit(gated, (entered.clone(), gate.clone())));
        for _ in &running {
            soon(&entered);
        }
        let before = descriptors();
        let sum: fn(Vec<u8>) -> u64 = |bytes| bytes.iter().map(|&byte| u64::from(byte)).sum();
        let bytes = |n: usize| vec![n.to_le_bytes()[0]; 70_000 + n];
        let calls: Vec<_> = (0..150).map(|n| pool.submit(sum, bytes(n))).collect();
        let most = descriptors() - before;
        for _ in &running {
            gate.put(1).unwrap();
        }
        for (n, call) in calls.into_iter().enumerate() {
            let expected = bytes(n).into_iter().map(u64::from).sum::<u64>();
            assert_eq!(ended(call).unwrap(), expected, "call {n}");
        }
        drop(running);
        most
    };
    for arena in [0, 1 << 20] {
        let most = ended(processes::spawn(many, arena).unwrap()).unwrap();
        assert!((16..=80).contains(&most), "an arena of {arena} bytes, {most} descriptors");
    }
}

#[test]
fn an_argument_that_finds_no_descriptor_waits_for_one_or_says_so() {
    let short: fn(()) -> bool = |()| {
        limit(Resource::Descriptors, 128);
        let pool = Pool::builder().workers(1).arena(0).build().unwrap();
        let (entered, gate) = gates();
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        soon(&entered);
        let usual = descriptors();
        let hoarded = hoard(0);
        let waits: Vec<_> = (0..10).map(|_| pool.submit(length, vec![1; 200_000])).collect();
        drop(hoarded);
        gate.put(1).unwrap();
        assert!(waits.into_iter().all(|call| ended(call).unwrap() == 200_000));
        ended(running).unwrap();
        wait_until("the arguments are gone", || descriptors() == usual);
        let hoarded = hoard(0);
        let error = ended(pool.submit(length, vec![1; 200_000])).unwrap_err();
        drop(hoarded);
        let told = matches!(&error, JoinError::Encode { side: Side::Parent, message, .. }
            if message.contains("no shared memory") && message.contains("ulimit -n"));
        assert!(told, "{error}");
        ended(pool.submit(length, vec![1; 200_000])).unwrap() == 200_000
    };
    assert!(ended(processes::spawn(short, ()).unwrap()).unwrap());
}

#[test]
fn a_call_that_was_taken_back_leaves_no_descriptor_with_the_worker() {
    let pool = Pool::builder().workers(1).arena(0).build().unwrap();
    let (entered, gate) = gates();
    let round = || {
        let running = pool.submit(gated, (entered.clone(), gate.clone()));
        soon(&entered);
        // The worker has got it already.
        let taken_back = pool.submit(length, vec![1; 200_000]);
        assert!(taken_back.cancel());
        gate.put(1).unwrap();
        ended(running).unwrap();
        ended(pool.submit(|()| descriptors(), ())).unwrap()
    };
    let usual = round();
    assert_eq!([(); 8].map(|()| round()), [usual; 8]);
}
