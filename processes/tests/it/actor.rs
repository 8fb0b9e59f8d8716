//! Actors: state that one process owns.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use processes::{
    ActorBuilder, ActorError, ActorRef, Event, MAX_CALLERS, MAX_MESSAGE, Pool, Queue, spawn,
    spawn_actor,
};

use crate::support::{BOUND, is_alive, kill, mistaken, rounds, soon, wait_until};

const SHORT: Duration = Duration::from_millis(20);

/// Adds to a number, and gives what it is then.
fn add(number: &mut u64, x: u64) -> u64 {
    *number += x;
    *number
}

/// Waits until it is let go, and says that it does.
fn held(state: &mut Door, (): ()) {
    state.entered.put(std::process::id()).unwrap();
    assert!(state.open.wait_timeout(BOUND));
}

/// The state of an actor that can be held up.
#[derive(serde::Serialize, serde::Deserialize, Clone)]
struct Door {
    entered: Queue<u32>,
    open: Event,
}

impl Door {
    fn new() -> Self {
        Self { entered: Queue::bounded(64).unwrap(), open: Event::new().unwrap() }
    }
}

#[test]
fn calls_and_casts_change_the_state_in_order() {
    let actor = spawn_actor(|start: u64| start, 5).unwrap();
    assert_eq!(actor.call(add, 1).unwrap(), 6);
    for _ in 0..1_000 {
        actor.cast(|n, x: u64| *n = *n * 2 % 1_000_003 + x, 1).unwrap();
    }
    let expected = (0..1_000).fold(6_u64, |n, _| n * 2 % 1_000_003 + 1);
    assert_eq!(actor.call(|n, ()| *n, ()).unwrap(), expected);
    let pid = actor.call(|_, ()| std::process::id(), ()).unwrap();
    assert_eq!((actor.pid(), actor.starts(), actor.len()), (Some(pid), 1, 0));
    assert!(!actor.is_finished() && actor.is_empty() && is_alive(pid));
    actor.stop();
    actor.join_timeout(BOUND).expect("it ends").unwrap();
    assert!(actor.is_finished());
    wait_until("its process has ended", || !is_alive(pid));
    assert_eq!(actor.pid(), None);
}

/// What cannot be sent, and belongs to one thread.
struct Stubborn(std::rc::Rc<std::cell::Cell<u32>>);

#[test]
fn the_state_may_be_anything_and_is_dropped_in_the_end() {
    struct Last(Queue<u32>, Stubborn);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.put(self.1.0.get()).unwrap();
        }
    }
    let told = Queue::bounded(2).unwrap();
    let init: fn(Queue<u32>) -> Last = |told| Last(told, Stubborn(std::rc::Rc::default()));
    let actor = spawn_actor(init, told.clone()).unwrap();
    for x in 1..=100 {
        actor.cast(|last, x: u32| last.1.0.set(last.1.0.get() + x), x).unwrap();
    }
    // What is in the mailbox comes first.
    actor.stop();
    let late = actor.call(|_, ()| (), ()).unwrap_err();
    assert!(matches!(late, ActorError::Ended { .. }), "{late}");
    assert_eq!(soon(&told), 5_050);
    actor.join_timeout(BOUND).expect("it ends").unwrap();
    let actor = spawn_actor(init, told.clone()).unwrap();
    let other = actor.clone();
    drop(actor);
    other.cast(|last, ()| last.1.0.set(7), ()).unwrap();
    drop(other);
    assert_eq!(soon(&told), 7, "without references it ends as well");
}

#[test]
fn workers_use_it_too() {
    let pool = Pool::new(3).unwrap();
    let actor = spawn_actor(|()| 0_u64, ()).unwrap();
    let work: fn((ActorRef<u64>, u64)) -> u64 =
        |(actor, n)| (0..n).map(|_| actor.call(add, 1).unwrap()).max().unwrap_or(0);
    let calls: Vec<_> = (0..6).map(|_| pool.submit(work, (actor.clone(), 500))).collect();
    let most = calls.into_iter().map(|call| call.join().unwrap()).max();
    assert_eq!((most, actor.call(|n, ()| *n, ()).unwrap()), (Some(3_000), 3_000));
}

#[test]
fn a_panic_ends_it_and_everybody_is_told() {
    let actor = spawn_actor(|start: u64| start, 5).unwrap();
    let error = actor.call(|n, x: u64| if x == 0 { panic!("n is {n}") } else { x }, 0).unwrap_err();
    let ActorError::Panicked { message, location, .. } = error else { panic!("{error}") };
    assert!(message == "n is 5" && location.unwrap().contains("actor.rs:"));
    let ended = actor.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(
        matches!(&ended, ActorError::Ended { reason, .. } if reason.contains("n is 5")),
        "{ended}"
    );
    let late = actor.call(add, 1).unwrap_err();
    assert!(late.to_string().contains("a handler panicked: n is 5"), "{late}");
    assert!(actor.cast(|_, ()| (), ()).is_err());
    // One that cannot even begin.
    let actor = spawn_actor(|x: u64| -> u64 { panic!("no state for {x}") }, 3).unwrap();
    let error = actor.call(add, 1).unwrap_err();
    assert!(error.to_string().contains("no state for 3"), "{error}");
}

#[test]
fn it_begins_anew_as_often_as_it_may() {
    let actor = ActorBuilder::new().restarts(2).name("phoenix").spawn(|x: u64| x, 5).unwrap();
    for start in 1..=3 {
        assert_eq!(actor.call_timeout(add, 1, BOUND).unwrap(), 6, "with a new state");
        assert_eq!(actor.starts(), start);
        match start {
            1 => drop(actor.call(|_, ()| -> u8 { panic!("on purpose") }, ()).unwrap_err()),
            2 => assert!(matches!(
                actor.call(|_, ()| std::process::abort(), ()),
                Err::<(), _>(ActorError::Lost { .. })
            )),
            _ => actor.cast(|_, ()| std::process::exit(3), ()).unwrap(),
        }
    }
    let ended = actor.join_timeout(BOUND).expect("it may not begin again").unwrap_err();
    assert!(ended.to_string().contains("exit code 3"), "{ended}");
    assert_eq!(actor.starts(), 3);
}

/// One call is executed, others wait; the actor is killed.
fn killed(restarts: u32) -> (Vec<Result<u32, ActorError>>, ActorRef<Door>) {
    let door = Door::new();
    let builder = ActorBuilder::new().restarts(restarts);
    let actor = builder.spawn(|door: Door| door, door.clone()).unwrap();
    let results = thread::scope(|scope| {
        let first = scope.spawn(|| actor.call_timeout(held, (), BOUND).map(|()| 0));
        let pid = soon(&door.entered);
        assert_eq!(actor.pid(), Some(pid));
        let others = [1, 2, 3].map(|x| {
            let waits = scope.spawn({
                let actor = &actor;
                move || actor.call_timeout(|_, x: u32| x, x, BOUND)
            });
            wait_until("it is in the mailbox", || actor.len() >= usize::try_from(x).unwrap());
            waits
        });
        assert!(actor.kill());
        std::iter::once(first).chain(others).map(|waits| waits.join().unwrap()).collect()
    });
    (results, actor)
}

#[test]
fn a_killed_actor_leaves_nobody_waiting() {
    let (results, actor) = killed(0);
    let lost = results[0].as_ref().unwrap_err();
    assert!(
        matches!(lost, ActorError::Lost { reason, .. } if reason.contains("signal 9")),
        "{lost}"
    );
    for result in &results[1..] {
        assert!(matches!(result, Err(ActorError::Ended { .. })), "{result:?}");
    }
    assert!(actor.is_finished() && !actor.kill());
}

#[test]
fn what_waits_is_executed_by_the_next() {
    let (results, actor) = killed(1);
    assert!(matches!(&results[0], Err(ActorError::Lost { .. })), "{results:?}");
    for (x, result) in (1..).zip(&results[1..]) {
        assert!(matches!(result, Ok(value) if *value == x), "{result:?}");
    }
    assert_eq!(actor.starts(), 2);
}

#[test]
fn limits_are_kept_and_late_results_are_nobodys() {
    let door = Door::new();
    let builder = ActorBuilder::new().mailbox(2);
    let actor = builder.spawn(|door: Door| door, door.clone()).unwrap();
    let error = actor.call_timeout(held, (), SHORT).unwrap_err();
    assert!(matches!(error, ActorError::TimedOut), "{error}");
    soon(&door.entered);
    assert!(matches!(actor.call_timeout(|_, ()| 1, (), SHORT), Err(ActorError::TimedOut)));
    actor.try_cast(|_, ()| (), ()).unwrap();
    assert!(matches!(actor.try_cast(|_, ()| (), ()), Err(ActorError::Full)));
    assert!(matches!(actor.call_timeout(|_, ()| 2, (), SHORT), Err(ActorError::TimedOut)));
    thread::scope(|scope| {
        let waits = scope.spawn(|| actor.cast(|_, ()| (), ()));
        door.open.set();
        waits.join().unwrap().unwrap();
    });
    for x in 10..200_u32 {
        assert_eq!(actor.call(|_, x| x, x).unwrap(), x);
    }
    assert!(actor.join_timeout(SHORT).is_none());
}

#[test]
fn more_callers_than_places() {
    let actor = spawn_actor(|()| 0_u64, ()).unwrap();
    thread::scope(|scope| {
        for _ in 0..MAX_CALLERS + 20 {
            scope.spawn(|| (0..20).map(|_| actor.call_timeout(add, 1, BOUND).unwrap()).max());
        }
    });
    assert_eq!(actor.call(|n, ()| *n, ()).unwrap(), 20 * (MAX_CALLERS as u64 + 20));
}

#[test]
fn killed_callers_leave_their_places() {
    let door = Door::new();
    let builder = ActorBuilder::new().mailbox(1_000);
    let actor = builder.spawn(|door: Door| door, door.clone()).unwrap();
    let calls: fn(ActorRef<Door>) = |actor| {
        thread::scope(|scope| {
            for _ in 0..MAX_CALLERS {
                scope.spawn(|| actor.call(held, ()));
            }
        });
    };
    let callers = spawn(calls, actor.clone()).unwrap();
    soon(&door.entered);
    wait_until("all places are taken", || actor.len() == MAX_CALLERS - 1);
    assert!(matches!(actor.call_timeout(|_, ()| (), (), SHORT), Err(ActorError::TimedOut)));
    callers.kill();
    callers.join().unwrap_err();
    door.open.set();
    assert_eq!(actor.call_timeout(|_, x: u32| x, 4, BOUND).unwrap(), 4);
}

#[test]
fn it_ends_when_the_last_reference_is_killed() {
    let entered = Queue::bounded(1).unwrap();
    let actor = spawn_actor(|()| 0_u64, ()).unwrap();
    let pid = actor.call(|_, ()| std::process::id(), ()).unwrap();
    let holds: fn((Queue<u32>, ActorRef<u64>)) = |(entered, _actor)| {
        entered.put(std::process::id()).unwrap();
        loop {
            thread::park();
        }
    };
    let call = spawn(holds, (entered.clone(), actor)).unwrap();
    soon(&entered);
    assert!(is_alive(pid));
    call.kill();
    call.join().unwrap_err();
    wait_until("it has ended", || !is_alive(pid));
}

#[test]
fn what_cannot_be_sent_is_an_error_and_harms_nobody() {
    let builder = ActorBuilder::new().max_message(100);
    let actor = builder.spawn(|()| 0_u64, ()).unwrap();
    let long = "x".repeat(200);
    let error = actor.call(|_, text: String| text.len(), long).unwrap_err();
    assert!(matches!(error, ActorError::TooLarge { limit: 100, .. }), "{error}");
    let error = actor.call(|_, n: usize| "x".repeat(n), 200).unwrap_err();
    assert!(matches!(error, ActorError::TooLarge { size: 201..=203, .. }), "{error}");
    let queue = Queue::<u8>::bounded(1).unwrap();
    let error = actor.call(|_, _: Queue<u8>| (), queue).unwrap_err();
    assert!(error.to_string().contains("inside the argument of a call"), "{error}");
    let error = actor.call(|_, ()| Queue::<u8>::bounded(1).unwrap(), ()).unwrap_err();
    assert!(matches!(&error, ActorError::Encode { .. }), "{error}");
    let error = actor.call(|_, _: ActorRef<u64>| (), actor.clone()).unwrap_err();
    assert!(error.to_string().contains("inside the argument of a call"), "{error}");
    assert_eq!(actor.call(add, 3).unwrap(), 3);
    let text = mistaken::<_, Queue<u8>>(actor.clone());
    assert!(text.contains("no queue"), "{text}");
    let text = mistaken::<_, ActorRef<u8>>(Queue::<u8>::bounded(1).unwrap());
    assert!(text.contains("no actor"), "{text}");
    let back = Pool::new(1).unwrap().submit(|actor: ActorRef<u64>| actor, actor).join();
    assert!(back.unwrap_err().to_string().contains("cannot be returned"));
}

#[test]
fn settings_that_cannot_be() {
    let spawn = |builder: ActorBuilder| builder.spawn(|()| (), ()).unwrap_err();
    for builder in [
        ActorBuilder::new().mailbox(0),
        ActorBuilder::new().mailbox(usize::MAX),
        ActorBuilder::new().max_message(0),
        ActorBuilder::new().max_message(MAX_MESSAGE + 1),
        ActorBuilder::new().name("a\0b"),
    ] {
        assert_eq!(spawn(builder).kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn an_actor_may_call_another_one() {
    let first = spawn_actor(|()| 0_u64, ()).unwrap();
    let other = spawn_actor(|first: ActorRef<u64>| first, first.clone()).unwrap();
    assert_eq!(other.call(|first, x: u64| first.call(add, x).unwrap(), 4).unwrap(), 4);
    // The last reference to the first is in the other one.
    let pid = first.pid().unwrap();
    drop(first);
    assert_eq!(other.call(|first, x: u64| first.call(add, x).unwrap(), 4).unwrap(), 8);
    other.stop();
    wait_until("both have ended", || !is_alive(pid));
}

/// Killed at any moment: each call is answered once, or lost.
#[test]
fn kills_at_random_lose_only_what_is_executed() {
    let pool = Pool::new(2).unwrap();
    let builder = ActorBuilder::new().restarts(u32::MAX).mailbox(8);
    let actor = builder.spawn(|()| 0_u64, ()).unwrap();
    let work: fn((ActorRef<u64>, u64)) -> (u64, u64) = |(actor, calls)| {
        let (mut done, mut lost) = (0, 0);
        for x in 0..calls {
            match actor.call_timeout(|_, x: u64| x, x, BOUND) {
                Ok(value) => {
                    assert_eq!(value, x);
                    done += 1;
                }
                Err(ActorError::Lost { .. }) => lost += 1,
                Err(other) => panic!("{other}"),
            }
        }
        (done, lost)
    };
    let calls = u64::from(rounds(5_000, 200_000));
    let workers = [(); 2].map(|()| pool.submit(work, (actor.clone(), calls)));
    let mut kills = 0;
    while !workers.iter().all(processes::JoinHandle::is_finished) {
        let before = actor.starts();
        if let Some(pid) = actor.pid() {
            kill(pid);
            kills += 1;
        }
        wait_until("it serves again", || {
            actor.starts() > before || workers.iter().all(processes::JoinHandle::is_finished)
        });
    }
    let (mut done, mut lost) = (0, 0);
    for worker in workers {
        let (more, fewer) = worker.join().unwrap();
        (done, lost) = (done + more, lost + fewer);
    }
    assert_eq!(done + lost, 2 * calls);
    assert!(kills > 0 && lost <= 2 * kills, "{lost} lost by {kills} kills");
    let (tell, told) = mpsc::channel();
    actor.stop();
    thread::spawn(move || tell.send(actor.join_timeout(BOUND)).unwrap());
    assert!(told.recv_timeout(2 * BOUND).unwrap().is_some());
}
