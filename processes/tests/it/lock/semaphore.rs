//! Semaphores.

use std::io::ErrorKind::InvalidInput;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use processes::{
    Barrier, BoundedSemaphore, Condition, Event, JoinHandle, Lock, MAX_PERMITS, Permit, Pool,
    Queue, Semaphore, spawn,
};

use crate::support::{BOUND, Stopped, gates, kill, mistaken, soon, state_of, wait_until};

const SHORT: Duration = Duration::from_millis(20);

/// A semaphore and the two queues of a call at a gate.
type Gated = (Semaphore, Queue<u32>, Queue<u32>);

/// How many hold a permit now, and how many did at most.
type Inside = Lock<(u32, u32)>;

/// Acquires, says so, and waits at the gate.
fn hold((semaphore, entered, gate): Gated) {
    let _permits: [Permit; 2] = [semaphore.acquire(), semaphore.acquire()];
    entered.put(std::process::id()).unwrap();
    gate.get().unwrap();
}

/// A process that waits for a permit.
fn waiter(semaphore: &Semaphore) -> (u32, JoinHandle<bool>) {
    let (entered, _gate) = gates();
    let wait: fn((Semaphore, Queue<u32>)) -> bool = |(semaphore, entered)| {
        entered.put(std::process::id()).unwrap();
        // Longer than the test waits for this process: it must not be the limit that ends it.
        semaphore.acquire_timeout(10 * BOUND).map(Permit::forget).is_some()
    };
    let call = spawn(wait, (semaphore.clone(), entered.clone())).unwrap();
    let pid = soon(&entered);
    wait_until("it waits", || state_of(pid) == "S");
    (pid, call)
}

fn result<R: serde::de::DeserializeOwned>(call: JoinHandle<R>) -> R {
    call.join_timeout(BOUND).expect("it ends").unwrap()
}

#[test]
fn absurd_numbers_are_refused() {
    assert_eq!(Semaphore::new(MAX_PERMITS + 1).unwrap_err().kind(), InvalidInput);
    assert_eq!(BoundedSemaphore::new(0).unwrap_err().kind(), InvalidInput);
    assert_eq!(BoundedSemaphore::new(usize::MAX).unwrap_err().kind(), InvalidInput);
    let semaphore = Semaphore::new(MAX_PERMITS).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| semaphore.release(1))).is_err());
    assert_eq!(semaphore.available(), MAX_PERMITS, "nothing was changed");
}

#[test]
fn permits_come_back_unless_forgotten() {
    let semaphore = Semaphore::new(2).unwrap();
    let first = semaphore.acquire();
    let second = semaphore.try_acquire().unwrap();
    assert!(semaphore.clone().try_acquire().is_none());
    assert!(semaphore.acquire_timeout(SHORT).is_none());
    drop(first);
    assert_eq!(semaphore.available(), 1);
    second.forget();
    assert_eq!(semaphore.available(), 1);
    semaphore.release(3);
    assert_eq!(semaphore.available(), 4);
    let permit = semaphore.acquire_timeout(Duration::MAX).unwrap();
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!(semaphore.available(), 4);
}

#[test]
fn over_release_is_an_error() {
    let semaphore = BoundedSemaphore::new(2).unwrap();
    assert!(semaphore.release(1).is_err());
    semaphore.acquire().forget();
    assert!(semaphore.release(2).is_err());
    assert_eq!(semaphore.available(), 1, "nothing was changed");
    assert!(semaphore.release(usize::MAX).is_err());
    assert_eq!(semaphore.release(1), Ok(()));
    // The release by hand was one too many; the permit's own has no effect.
    let permit = semaphore.acquire();
    semaphore.release(1).unwrap();
    drop(permit);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn no_more_than_its_permits_at_a_time() {
    let pool = Pool::new(4).unwrap();
    let semaphore = BoundedSemaphore::new(2).unwrap();
    let inside: Inside = Lock::new((0, 0)).unwrap();
    let work: fn((BoundedSemaphore, Inside)) = |(semaphore, inside)| {
        for _ in 0..200 {
            let _permit = semaphore.acquire();
            let mut now = inside.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            drop(now);
            std::thread::yield_now();
            inside.lock().unwrap().0 -= 1;
        }
    };
    let calls: Vec<_> =
        (0..4).map(|_| pool.submit(work, (semaphore.clone(), inside.clone()))).collect();
    calls.into_iter().for_each(result);
    let (now, most) = *inside.lock().unwrap();
    assert!(now == 0 && (1..=2).contains(&most), "{most} at a time");
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_release_wakes_another_process() {
    let semaphore = Semaphore::new(0).unwrap();
    let waiters = [waiter(&semaphore), waiter(&semaphore)];
    semaphore.release(2);
    for (_pid, call) in waiters {
        assert!(result(call));
    }
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn the_permits_of_a_killed_holder_come_back_to_those_who_wait() {
    let semaphore = Semaphore::new(2).unwrap();
    let (entered, gate) = gates();
    let holder = spawn(hold, (semaphore.clone(), entered.clone(), gate)).unwrap();
    let pid = soon(&entered);
    assert!(semaphore.try_acquire().is_none(), "a living holder keeps them");
    let waiters = [waiter(&semaphore), waiter(&semaphore)];
    kill(pid);
    holder.join().unwrap_err();
    for (_pid, call) in waiters {
        assert!(result(call));
    }
    assert_eq!(semaphore.available(), 0, "the waiters' are forgotten");
}

#[test]
fn the_permits_of_the_dead_are_there_for_those_who_do_not_wait() {
    let semaphore = Semaphore::new(2).unwrap();
    for exit in [false, true] {
        let (entered, gate) = gates();
        let leave: fn(Gated) = |(semaphore, entered, gate)| {
            std::mem::forget(semaphore.acquire());
            std::mem::forget(semaphore.acquire());
            entered.put(std::process::id()).unwrap();
            gate.get().unwrap();
            std::process::exit(0);
        };
        let call = spawn(leave, (semaphore.clone(), entered.clone(), gate.clone())).unwrap();
        let pid = soon(&entered);
        assert_eq!(semaphore.available(), 0);
        if exit {
            gate.put(0).unwrap();
        } else {
            kill(pid);
        }
        call.join().unwrap_err();
        assert!(semaphore.try_acquire().is_some());
        assert_eq!(semaphore.available(), 2);
    }
}

#[test]
fn a_stopped_holder_keeps_its_permits_and_a_killed_waiter_takes_none() {
    let semaphore = Semaphore::new(2).unwrap();
    let (entered, gate) = gates();
    let holder = spawn(hold, (semaphore.clone(), entered.clone(), gate.clone())).unwrap();
    let stop = Stopped::new(soon(&entered));
    let (pid, killed) = waiter(&semaphore);
    kill(pid);
    killed.join().unwrap_err();
    assert!(semaphore.acquire_timeout(Duration::from_millis(250)).is_none());
    drop(stop);
    gate.put(0).unwrap();
    result(holder);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn it_survives_processes_that_are_killed_inside_of_it() {
    let semaphore = BoundedSemaphore::new(3).unwrap();
    let hammer: fn((BoundedSemaphore, Queue<u32>)) = |(semaphore, entered)| {
        entered.put(std::process::id()).unwrap();
        loop {
            let first = semaphore.acquire();
            drop(semaphore.try_acquire());
            drop(first);
        }
    };
    for _ in 0..20 {
        let (entered, _gate) = gates();
        let victims =
            [(); 2].map(|()| spawn(hammer, (semaphore.clone(), entered.clone())).unwrap());
        for _ in &victims {
            soon(&entered);
        }
        for _ in 0..50 {
            assert!(semaphore.acquire_timeout(BOUND).is_some());
        }
        for victim in victims {
            victim.kill();
            victim.join().unwrap_err();
        }
        assert_eq!(semaphore.available(), 3, "no permit is lost or doubled");
    }
}

#[test]
fn one_is_not_taken_for_the_other_nor_sent_elsewhere() {
    let semaphore = Semaphore::new(1).unwrap();
    let queue = Queue::bounded(1).unwrap();
    let error = queue.put(semaphore).unwrap_err().to_string();
    assert!(error.contains("inside the argument of a call"), "{error}");
    let made = spawn(|()| Semaphore::new(1).unwrap(), ()).unwrap().join();
    assert!(made.unwrap_err().to_string().contains("made in a worker"));
    let semaphore = || Semaphore::new(1).unwrap();
    assert!(mistaken::<_, BoundedSemaphore>(semaphore()).contains("no BoundedSemaphore"));
    assert!(mistaken::<_, Semaphore>(Event::new().unwrap()).contains("no Semaphore"));
    assert!(mistaken::<_, Event>(Barrier::new(1).unwrap()).contains("no Event"));
    assert!(mistaken::<_, Barrier>(Condition::new().unwrap()).contains("no Barrier"));
    assert!(mistaken::<_, Condition>(semaphore()).contains("no Condition"));
    assert!(mistaken::<_, Semaphore>(Lock::new([0_u64; 99]).unwrap()).contains("no Semaphore"));
}
