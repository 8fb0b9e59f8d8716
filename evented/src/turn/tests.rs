use std::io::Write;
use std::time::Duration;

use crate::net::Watch;
use crate::record::RecorderSpec;
use crate::{Class, Reactor, Spawn, advance, join_all, spawn, spawn_with, stats, yield_now};

/// Turns of tasks that yield so often, with polls of this length, in virtual time.
fn turns(spec: RecorderSpec, yields: u32, poll: Duration) -> u64 {
    let reactor = Reactor::builder().virtual_time().recorder(spec).build().unwrap();
    reactor.block_on(async move {
        let before = stats().turns;
        let task = || async move {
            for _ in 0..yields {
                advance(poll);
                yield_now().await;
            }
        };
        let tasks = [spawn(task()), spawn(task())];
        assert!(join_all(tasks).await.iter().all(Result::is_ok));
        stats().turns - before
    })
}

/// Whatever tells the time.
#[test]
fn a_turn_ends_after_so_many_polls_or_so_much_time() {
    for spec in [RecorderSpec::off, RecorderSpec::new] {
        // 320 polls.
        let short = turns(spec().in_memory(), 160, Duration::ZERO);
        assert!((4..=7).contains(&short), "{short}");
        let long = turns(spec().in_memory(), 160, super::SLICE);
        assert!(long > 280, "{long}");
        let half = turns(spec().in_memory(), 160, super::SLICE / 2);
        assert!((100..=240).contains(&half), "{half}");
    }
}

/// The most polls of a turn in which they become long, after many short ones.
fn longest_turn(spec: RecorderSpec) -> u64 {
    let reactor = Reactor::builder().virtual_time().recorder(spec).build().unwrap();
    reactor.block_on(async {
        // So that the looks get rare.
        for _ in 0..200 {
            yield_now().await;
        }
        let before = stats().turns;
        while stats().turns == before {
            yield_now().await;
        }
        // This is the first poll of a turn.
        let (mut longest, mut turn, mut polls) = (0, stats().turns, 0);
        for _ in 0..200 {
            if stats().turns != turn {
                (turn, polls) = (stats().turns, 0);
            }
            advance(Duration::from_millis(1));
            polls += 1;
            longest = longest.max(polls);
            yield_now().await;
        }
        longest
    })
}

/// As the README says.
#[test]
fn so_many_polls_come_before_it_is_seen_that_they_have_become_long() {
    let (on, off) = (RecorderSpec::new().in_memory(), RecorderSpec::off());
    assert_eq!((longest_turn(on), longest_turn(off)), (16, 32));
}

/// Also in a turn that has begun without a look at the clock, because time did not matter then.
#[test]
fn descriptors_of_a_class_that_comes_up_in_a_turn_are_looked_at_in_it() {
    // Were a turn to begin late, in a machine that is busy, it would begin with a look.
    for _ in 0..20 {
        let reactor = Reactor::builder().latency(Duration::ZERO).build().unwrap();
        reactor.block_on(async {
            // Polls are short, so that the looks get rare.
            for _ in 0..200 {
                yield_now().await;
            }
            let turn = stats().turns;
            while stats().turns == turn {
                yield_now().await;
            }
            let (reader, mut writer) = std::io::pipe().unwrap();
            let urgent = spawn_with(Spawn::new().class(Class::RT), async move {
                Watch::new(reader).unwrap().readable().await
            });
            yield_now().await;
            assert!(!urgent.is_finished());
            writer.write_all(b"!").unwrap();
            yield_now().await;
            assert!(urgent.is_finished(), "somebody else went first");
        });
    }
}
