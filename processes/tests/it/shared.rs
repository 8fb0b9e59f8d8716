//! Memory that processes share.

use std::io::ErrorKind::InvalidInput;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use processes::{
    Event, Frozen, JoinHandle, Lock, Pool, Queue, SharedArray, SharedAtomics, SharedMem, spawn,
};

use crate::support::{BOUND, descriptors, gated, gates, kill, mistaken, soon, wait_until};

/// An array, and the two queues of a call at a gate.
type Gated = (SharedArray<u32>, Queue<u32>, Queue<u32>);

fn result<R: serde::de::DeserializeOwned>(call: JoinHandle<R>) -> R {
    call.join_timeout(BOUND).expect("it ends").unwrap()
}

/// Has the array, says so, and waits at the gate.
fn hold((array, entered, gate): Gated) -> u32 {
    entered.put(std::process::id()).unwrap();
    gate.get().unwrap() + array.load(0)
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for len in [0, usize::MAX, isize::MAX.unsigned_abs()] {
        assert_eq!(SharedMem::new(len).unwrap_err().kind(), InvalidInput, "{len}");
        assert_eq!(SharedArray::filled(1_u64, len).unwrap_err().kind(), InvalidInput, "{len}");
        assert_eq!(SharedAtomics::<AtomicU64>::new(len).unwrap_err().kind(), InvalidInput);
    }
    assert_eq!(SharedArray::<u8>::from_slice(&[]).unwrap_err().kind(), InvalidInput);
    // More than any machine has addresses for; the system says so.
    SharedMem::new(1 << 60).unwrap_err();
}

#[test]
fn values_go_in_and_out() {
    let array = SharedArray::filled((1_u8, 2_u64), 5).unwrap();
    assert_eq!((array.len(), array.is_empty()), (5, false));
    array.store(1, (3, 4));
    array.write(3, &[(5, 6), (7, 8)]);
    let mut out = [(0, 0); 3];
    array.read(1, &mut out);
    assert_eq!(out, [(3, 4), (1, 2), (5, 6)]);
    assert_eq!(array.to_vec(), [(1, 2), (3, 4), (1, 2), (5, 6), (7, 8)]);
    array.with(<[_]>::reverse);
    assert_eq!(array.clone().load(0), (7, 8));
    assert_eq!(SharedMem::new(3).unwrap().to_vec(), [0, 0, 0]);
    assert_eq!(SharedArray::<f64>::new(2).unwrap().to_vec(), [0.0, 0.0]);
    assert_eq!(SharedArray::<(u8, bool)>::new(2).unwrap().to_vec(), [(0, false); 2]);
}

#[test]
fn outside_is_a_panic_that_says_so() {
    let memory = SharedMem::new(4).unwrap();
    let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
    assert!(panics(&|| drop(memory.load(4).to_string())));
    assert!(panics(&|| memory.store(4, 1)));
    assert!(panics(&|| memory.write(2, &[1, 2, 3])));
    assert!(panics(&|| memory.write(usize::MAX, &[1, 2])));
    assert!(panics(&|| memory.read(5, &mut [])));
    assert!(panics(&|| memory.with(|_| memory.store(0, 1))), "that would wait for itself");
    memory.read(4, &mut []);
    assert_eq!(memory.to_vec(), [0; 4], "nothing was written, nothing is locked");
}

#[test]
fn processes_fill_their_parts() {
    let pool = Pool::new(2).unwrap();
    let array = SharedArray::filled(0_u32, 4_000).unwrap();
    let fill: fn((SharedArray<u32>, u32)) = |(array, part)| {
        let values: Vec<_> = (1_000 * part..1_000 * (part + 1)).collect();
        array.write(1_000 * part as usize, &values);
    };
    (0..4)
        .map(|part| pool.submit(fill, (array.clone(), part)))
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(result);
    assert_eq!(array.to_vec(), (0..4_000).collect::<Vec<_>>());
}

#[test]
fn nobody_sees_half_of_a_write() {
    let array = SharedArray::filled(0_u32, 1_000).unwrap();
    let stop = Event::new().unwrap();
    let write: fn((SharedArray<u32>, Event, u32)) = |(array, stop, value)| {
        while !stop.is_set() {
            array.write(0, &[value; 1_000]);
        }
    };
    let calls = [1, 2].map(|value| spawn(write, (array.clone(), stop.clone(), value)).unwrap());
    wait_until("somebody writes", || array.load(0) != 0);
    for _ in 0..5_000 {
        let seen = array.to_vec();
        assert!(seen.iter().all(|&value| value == seen[0]));
    }
    stop.set();
    calls.into_iter().for_each(result);
}

#[test]
fn a_process_that_is_killed_with_it_holds_nobody_up() {
    let array = SharedArray::filled(0_u32, 4).unwrap();
    let (entered, gate) = gates();
    let half: fn(Gated) = |(array, entered, gate)| {
        array.with(|values| {
            values[0] = 7;
            entered.put(std::process::id()).unwrap();
            gate.get().unwrap();
            values[1] = 7;
        });
    };
    let call = spawn(half, (array.clone(), entered.clone(), gate)).unwrap();
    kill(soon(&entered));
    call.join().unwrap_err();
    assert_eq!(array.to_vec(), [7, 0, 0, 0]);
}

#[test]
fn atomics_count_in_all_processes() {
    let pool = Pool::new(2).unwrap();
    let hits = SharedAtomics::<AtomicU64>::new(3).unwrap();
    let count: fn(SharedAtomics<AtomicU64>) = |hits| {
        for _ in 0..10_000 {
            hits[2].fetch_add(1, Ordering::Relaxed);
        }
    };
    let calls: Vec<_> = (0..4).map(|_| pool.submit(count, hits.clone())).collect();
    calls.into_iter().for_each(result);
    assert_eq!(
        hits.iter().map(|hit| hit.load(Ordering::Relaxed)).collect::<Vec<_>>(),
        [0, 0, 40_000]
    );
    let flag = SharedAtomics::<AtomicBool>::new(1).unwrap();
    assert!(!flag[0].swap(true, Ordering::AcqRel));
    assert_eq!(format!("{flag:?} {hits:?}"), "[true] [0, 0, 40000]");
}

#[test]
fn frozen_memory_is_the_same_everywhere() {
    let pool = Pool::new(2).unwrap();
    let frozen = SharedArray::from_slice(&[1_u32, 2, 3]).unwrap().freeze().unwrap();
    for _ in 0..3 {
        let look = |frozen: Frozen<u32>| (frozen.iter().sum::<u32>(), frozen);
        let (sum, back) = result(pool.submit(look, frozen.clone()));
        assert_eq!((sum, &*back), (6, &[1, 2, 3][..]));
    }
    assert_eq!(frozen.iter().sum::<u32>(), 6);
}

#[test]
fn it_is_not_frozen_while_somebody_could_write() {
    let array = SharedArray::filled(5_u32, 10).unwrap();
    let clone = array.clone();
    let error = array.freeze().unwrap_err();
    assert!(error.to_string().contains("other handles"), "{error}");
    let array = error.into_inner();
    drop(clone);
    let (entered, gate) = gates();
    let call = spawn(hold, (array.clone(), entered.clone(), gate.clone())).unwrap();
    let pid = soon(&entered);
    let error = array.freeze().unwrap_err();
    let array = error.into_inner();
    array.store(0, 6);
    gate.put(1).unwrap();
    assert_eq!(result(call), 7, "it is as good as before, in both");
    wait_until("the process is gone", || !crate::support::is_alive(pid));
    assert_eq!(array.freeze().unwrap()[0..2], [6, 5]);
}

#[test]
fn a_stored_handle_of_another_process_prevents_freezing() {
    static STORED: std::sync::Mutex<Option<SharedArray<u32>>> = std::sync::Mutex::new(None);
    let pool = Pool::new(1).unwrap();
    let array = SharedArray::filled(5_u32, 10).unwrap();
    let store: fn(SharedArray<u32>) = |array| *STORED.lock().unwrap() = Some(array);
    result(pool.submit(store, array.clone()));
    let error = array.freeze().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("another process") && text.contains("for writing"), "{text}");
    let array = error.into_inner();
    array.store(9, 1);
    result(pool.submit(|()| *STORED.lock().unwrap() = None, ()));
    // The same worker, which knows the memory under its old name, gets it frozen.
    let frozen = array.freeze().unwrap();
    // With something new behind it, at which the worker is told which old memory is gone.
    let last: fn((Frozen<u32>, Queue<u8>)) -> u32 = |(frozen, _)| *frozen.last().unwrap();
    assert_eq!(result(pool.submit(last, (frozen.clone(), Queue::bounded(1).unwrap()))), 1);
    assert_eq!(result(pool.submit(last, (frozen, Queue::bounded(1).unwrap()))), 1);
}

#[test]
fn what_could_not_be_frozen_is_not_forgotten_by_the_workers() {
    static STORED: std::sync::Mutex<Option<SharedArray<u32>>> = std::sync::Mutex::new(None);
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let array = SharedArray::filled(5_u32, 10).unwrap();
    let store: fn(Gated) = |(array, ..)| *STORED.lock().unwrap() = Some(array);
    result(pool.submit(store, (array.clone(), entered.clone(), gate.clone())));
    let array = array.freeze().unwrap_err().into_inner();
    result(pool.submit(|()| *STORED.lock().unwrap() = None, ()));
    // The worker has all three. While it is busy, it is told what to forget before it looks for what
    // the next call brings.
    let busy = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let load: fn((SharedArray<u32>, Queue<u8>)) -> u32 = |(array, _)| array.load(9);
    let next = pool.submit(load, (array.clone(), Queue::bounded(1).unwrap()));
    gate.put(1).unwrap();
    assert_eq!((result(busy), result(next)), (1, 5));
}

#[test]
fn large_memory_does_not_stay_with_an_idle_worker() {
    let pool = Pool::new(1).unwrap();
    let worker = result(pool.submit(|()| std::process::id(), ()));
    // What it has of memory without a name.
    let has = || {
        let folder = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
        let files = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        files.filter(|file| file.to_string_lossy().contains("memfd:processes")).count()
    };
    let before = has();
    for is_frozen in [false, true] {
        let memory = SharedMem::new(8 << 20).unwrap();
        assert_eq!(result(pool.submit(|memory: SharedMem| memory.load(0), memory.clone())), 0);
        if is_frozen {
            let frozen = memory.freeze().unwrap();
            let last: fn(Frozen<u8>) -> u8 = |memory| memory[memory.len() - 1];
            assert_eq!(result(pool.submit(last, frozen.clone())), 0);
            assert!(has() > before, "{} {before}", has());
        } else {
            assert!(has() > before, "{} {before}", has());
            drop(memory);
        }
        wait_until("the worker has let it go", || has() == before);
    }
}

#[test]
fn one_thing_is_not_taken_for_another() {
    let array = || SharedArray::filled(1_u64, 40).unwrap();
    let frozen = array().freeze().unwrap();
    assert!(mistaken::<_, SharedArray<i64>>(array()).contains("no array of this type"));
    assert!(mistaken::<_, Lock<u64>>(array()).contains("no lock of this type"));
    assert!(mistaken::<_, Queue<u64>>(array()).contains("no queue"));
    assert!(mistaken::<_, SharedAtomics<AtomicU64>>(array()).contains("no such row of atomics"));
    assert!(mistaken::<_, Frozen<u64>>(array()).contains("not frozen"));
    assert!(mistaken::<_, SharedArray<u64>>(frozen.clone()).contains("is frozen"));
    assert!(mistaken::<_, Frozen<u8>>(frozen).contains("no array of this type"));
    assert!(mistaken::<_, SharedArray<u8>>(Lock::new(1_u8).unwrap()).contains("no array"));
}

#[test]
fn handles_are_serialised_inside_of_calls_only() {
    let queue = Queue::bounded(1).unwrap();
    let text = queue.put(SharedMem::new(1).unwrap()).unwrap_err().to_string();
    assert!(text.contains("only be serialised inside the argument of a call"), "{text}");
    let made = spawn(|()| SharedMem::new(1).unwrap(), ()).unwrap().join();
    assert!(made.unwrap_err().to_string().contains("made in a worker"));
}

#[test]
fn nothing_is_left_behind() {
    let rounds: fn(()) -> bool = |()| {
        let pool = Pool::new(1).unwrap();
        let round = || {
            let array = SharedArray::filled(1_u32, 100_000).unwrap();
            let sum: fn(SharedArray<u32>) -> (u32, usize) =
                |array| (array.to_vec().iter().sum(), descriptors());
            let (sum, there) = pool.submit(sum, array.clone()).join().unwrap();
            assert_eq!(sum, 100_000);
            let frozen = array.freeze().unwrap();
            pool.submit(|frozen: Frozen<u32>| frozen.len(), frozen.clone()).join().unwrap();
            (descriptors(), there)
        };
        let before = [round(), round(), round()][2];
        (0..20).for_each(|_| drop(format!("{:?}", round())));
        let after = round();
        assert!(after.0 <= before.0 && after.1 <= before.1 + 2, "{before:?} {after:?}");
        true
    };
    assert!(result(spawn(rounds, ()).unwrap()));
}
