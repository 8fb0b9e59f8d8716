//! Events.

use std::thread;
use std::time::Duration;

use processes::{Event, JoinHandle, Queue, spawn};

use crate::support::{BOUND, Stopped, gates, kill, soon, state_of, wait_until};

const SHORT: Duration = Duration::from_millis(20);

/// A process that waits for an event.
fn waiter(event: &Event) -> (u32, JoinHandle<bool>) {
    let (entered, _gate) = gates();
    let wait: fn((Event, Queue<u32>)) -> bool = |(event, entered)| {
        entered.put(std::process::id()).unwrap();
        event.wait_timeout(10 * BOUND)
    };
    let call = spawn(wait, (event.clone(), entered.clone())).unwrap();
    let pid = soon(&entered);
    wait_until("it waits", || state_of(pid) == "S");
    (pid, call)
}

/// What a process that must end soon returns.
fn result<R: serde::de::DeserializeOwned>(call: JoinHandle<R>) -> R {
    call.join_timeout(BOUND).expect("it ends").unwrap()
}

#[test]
fn set_and_cleared() {
    let event = Event::new().unwrap();
    assert!(!event.is_set());
    assert!(!event.wait_timeout(SHORT));
    event.set();
    event.set();
    assert!(event.clone().is_set());
    event.wait();
    assert!(event.wait_timeout(Duration::ZERO));
    event.clear();
    event.clear();
    assert!(!event.wait_timeout(Duration::ZERO));
    event.set();
    assert!(event.wait_timeout(Duration::MAX));
}

#[test]
fn another_process_sets_and_sees_it() {
    let event = Event::new().unwrap();
    let set: fn(Event) -> bool = |event| {
        let before = event.is_set();
        event.set();
        before
    };
    let call = spawn(set, event.clone()).unwrap();
    assert!(event.wait_timeout(BOUND));
    assert!(!result(call));
    assert!(result(spawn(|event: Event| event.is_set(), event).unwrap()));
}

#[test]
fn cleared_before_the_released_run() {
    for _ in 0..5 {
        let event = Event::new().unwrap();
        let waiters = [waiter(&event), waiter(&event)];
        event.set();
        event.clear();
        assert!(!event.is_set());
        for (_pid, call) in waiters {
            assert!(result(call));
        }
    }
}

#[test]
fn a_stopped_or_killed_waiter_holds_nobody_up() {
    let event = Event::new().unwrap();
    let [(stopped, first), (killed, second)] = [(); 2].map(|()| waiter(&event));
    let others = [(); 3].map(|()| waiter(&event));
    let stop = Stopped::new(stopped);
    kill(killed);
    second.join().unwrap_err();
    event.set();
    for (_pid, call) in others {
        assert!(result(call));
    }
    drop(stop);
    assert!(result(first));
}

#[test]
fn it_survives_processes_that_are_killed_inside_of_it() {
    let event = Event::new().unwrap();
    let hammer: fn((Event, Queue<u32>)) = |(event, entered)| {
        entered.put(std::process::id()).unwrap();
        loop {
            event.set();
            event.clear();
        }
    };
    for _ in 0..20 {
        let (entered, _gate) = gates();
        let victims = [(); 2].map(|()| spawn(hammer, (event.clone(), entered.clone())).unwrap());
        for _ in &victims {
            soon(&entered);
        }
        for _ in 0..50 {
            assert!(event.wait_timeout(BOUND));
        }
        for victim in victims {
            victim.kill();
            victim.join().unwrap_err();
        }
        event.clear();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| event.wait_timeout(BOUND));
            event.set();
            assert!(waiter.join().unwrap());
        });
    }
}
