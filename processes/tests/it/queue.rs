//! A queue between processes.

use std::time::Duration;

use processes::{GetError, Pool, PutError, Queue};

use crate::support::{BOUND, gates, kill, signal, soon, state_of, wait_until};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn it_is_bounded_and_keeps_order() {
    let queue = Queue::bounded(2).unwrap();
    queue.put(String::from("one")).unwrap();
    queue.try_put(String::from("two")).unwrap();
    let error = queue.try_put(String::from("three")).unwrap_err();
    assert!(matches!(&error, PutError::Full(value) if value == "three"));
    assert!(matches!(queue.put_timeout(error.into_inner(), SHORT), Err(PutError::TimedOut(_))));
    assert_eq!((queue.len(), queue.capacity()), (2, 2));
    assert_eq!(queue.get().unwrap(), "one");
    assert_eq!(queue.try_get().unwrap(), "two");
    assert_eq!(queue.try_get(), Err(GetError::Empty));
    assert_eq!(queue.get_timeout(SHORT), Err(GetError::TimedOut));
    assert!(queue.is_empty());
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for (n, bytes) in [(0, 10), (10, 0), (usize::MAX, 10)] {
        let error = Queue::<u8>::with_bytes(n, bytes).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_message_that_never_fits_is_given_back() {
    let queue = Queue::with_bytes(4, 100).unwrap();
    let error = queue.put("x".repeat(200)).unwrap_err();
    assert!(matches!(error, PutError::Unsendable(value, _) if value.len() == 200));
}

#[test]
fn shutdown_refuses_puts_and_drains() {
    let queue = Queue::bounded(4).unwrap();
    queue.put(1_u8).unwrap();
    queue.shutdown();
    assert!(matches!(queue.put(2), Err(PutError::ShutDown(2))));
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.get(), Err(GetError::ShutDown));
}

#[test]
fn shutdown_wakes_those_who_wait_in_other_processes() {
    let pool = Pool::new(2).unwrap();
    let (empty, full) = (Queue::<u32>::bounded(1).unwrap(), Queue::<u32>::bounded(1).unwrap());
    full.put(0).unwrap();
    let getter = pool.submit(|queue: Queue<u32>| queue.get().is_err(), empty.clone());
    let putter = pool.submit(|queue: Queue<u32>| queue.put(1).is_err(), full.clone());
    wait_until("both run", || pool.stats().running == 2);
    empty.shutdown();
    full.shutdown();
    assert!(getter.join().unwrap());
    assert!(putter.join().unwrap());
}

#[test]
fn many_producers_and_consumers_lose_nothing() {
    let pool = Pool::new(4).unwrap();
    let queue = Queue::<u64>::bounded(8).unwrap();
    let produce: fn((Queue<u64>, u64)) = |(queue, start)| {
        for value in start..start + 1_000 {
            queue.put(value).unwrap();
        }
    };
    let consume: fn(Queue<u64>) -> (u64, u64) = |queue| {
        let (mut count, mut sum) = (0, 0);
        while let Ok(value) = queue.get() {
            count += 1;
            sum += value;
        }
        (count, sum)
    };
    let consumers = [pool.submit(consume, queue.clone()), pool.submit(consume, queue.clone())];
    let producers =
        [pool.submit(produce, (queue.clone(), 0)), pool.submit(produce, (queue.clone(), 1_000))];
    for producer in producers {
        producer.join().unwrap();
    }
    queue.shutdown();
    let (count, sum) = consumers
        .map(|consumer| consumer.join().unwrap())
        .into_iter()
        .fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    assert_eq!((count, sum), (2_000, (0..2_000).sum()));
}

#[test]
fn it_survives_processes_that_are_killed_inside_of_it() {
    let queue = Queue::<u32>::with_bytes(8, 256).unwrap();
    let hammer: fn((Queue<u32>, Queue<u32>)) = |(queue, entered)| {
        entered.put(std::process::id()).unwrap();
        loop {
            queue.put_timeout(7, Duration::from_millis(1)).ok();
            queue.get_timeout(Duration::from_millis(1)).ok();
        }
    };
    let entered = Queue::bounded(8).unwrap();
    for _ in 0..20 {
        let victims =
            [0, 1].map(|_| processes::spawn(hammer, (queue.clone(), entered.clone())).unwrap());
        for _ in 0..2 {
            soon(&entered);
        }
        for _ in 0..200 {
            queue.put_timeout(7, SHORT).ok();
            assert!(matches!(queue.try_get(), Ok(7) | Err(GetError::Empty)));
        }
        for victim in victims {
            victim.kill();
            victim.join().unwrap_err();
        }
        // Whatever they were doing, it works.
        while queue.try_get().is_ok() {}
        queue.put_timeout(9, BOUND).unwrap();
        assert_eq!(queue.get_timeout(BOUND).unwrap(), 9);
    }
}

#[test]
fn a_stopped_or_killed_sleeper_does_not_swallow_a_wake_up() {
    let pool = Pool::new(2).unwrap();
    let queue = Queue::<u32>::bounded(4).unwrap();
    // One after the other, so that the first one is first in the kernel's list of sleepers.
    let waiters = [0, 1].map(|_| {
        let entered = Queue::bounded(1).unwrap();
        let waiter: fn((Queue<u32>, Queue<u32>)) -> u32 = |(entered, queue)| {
            entered.put(std::process::id()).unwrap();
            queue.get().unwrap()
        };
        let call = pool.submit(waiter, (entered.clone(), queue.clone()));
        let pid = soon(&entered);
        wait_until("it sleeps", || state_of(pid) == "S");
        (pid, call)
    });
    let [(stopped, first), (_, second)] = waiters;
    signal(stopped, "-STOP");
    wait_until("it is stopped", || state_of(stopped) == "T");
    queue.put(5).unwrap();
    assert_eq!(second.join_timeout(BOUND).expect("it was woken").unwrap(), 5);
    kill(stopped);
    first.join().unwrap_err();
    queue.put(6).unwrap();
    assert_eq!(queue.get().unwrap(), 6);
}

#[test]
fn two_puts_wake_two_sleepers() {
    let pool = Pool::new(2).unwrap();
    let queue = Queue::<u32>::bounded(4).unwrap();
    let (entered, _gate) = gates();
    let sleeper: fn((Queue<u32>, Queue<u32>)) -> u32 = |(entered, queue)| {
        entered.put(std::process::id()).unwrap();
        queue.get().unwrap()
    };
    for _ in 0..50 {
        let calls = [0, 1].map(|_| pool.submit(sleeper, (entered.clone(), queue.clone())));
        for _ in 0..2 {
            let pid = soon(&entered);
            wait_until("it sleeps", || state_of(pid) == "S");
        }
        // At once, so that the second put comes before the first sleeper is up.
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        let woken = calls.each_ref().map(|call| call.wait_timeout(BOUND));
        if woken != [true, true] {
            // So that the pool can end.
            queue.shutdown();
        }
        assert_eq!(woken, [true, true], "each message wakes somebody");
    }
}

/// Handles inside of tuples inside of options inside of an array.
type Deep = [Option<(u8, Queue<u8>)>; 3];

#[test]
fn handles_travel_deep_inside_of_an_argument_and_nowhere_else() {
    let pool = Pool::new(1).unwrap();
    let queue = Queue::<u8>::bounded(2).unwrap();
    let deep: fn(Deep) -> usize =
        |all| all.into_iter().flatten().map(|(x, queue)| queue.put(x).unwrap()).count();
    let argument = [Some((1, queue.clone())), None, Some((2, queue.clone()))];
    assert_eq!(pool.submit(deep, argument).join().unwrap(), 2);
    assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (1, 2));
    // Back to where it came from is possible; a handle made in the worker is not.
    let same = pool.submit(|queue: Queue<u8>| queue, queue.clone()).join().unwrap();
    same.put(9).unwrap();
    assert_eq!(queue.get().unwrap(), 9);
    // Also when the caller keeps none: the result arrives before anybody decodes it.
    let moved = pool.submit(|queue: Queue<u8>| queue, Queue::bounded(1).unwrap());
    assert!(moved.wait_timeout(BOUND));
    moved.join().unwrap().put(1).unwrap();
    let made = pool.submit(|()| Queue::<u8>::bounded(1).unwrap(), ()).join();
    assert!(made.unwrap_err().to_string().contains("made in a worker"));
    let outer = Queue::<Queue<u8>>::bounded(1).unwrap();
    assert!(matches!(outer.put(queue), Err(PutError::Unsendable(..))));
}
