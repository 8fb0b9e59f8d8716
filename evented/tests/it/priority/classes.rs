//! Classes of a whole reactor, in virtual time: all figures are exact.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use evented::{
    Class, ClassSpec, Order, Reactor, Spawn, advance, block_on, now, set_deadline, sleep,
    sleep_until, spawn, spawn_with, yield_now,
};

/// A reactor in virtual time.
fn reactor() -> Reactor {
    Reactor::builder().virtual_time().build().unwrap()
}

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Runs a busy task of each class, which works for so many microseconds and yields, for a second;
/// the part of the time that each got.
fn parts(reactor: &Reactor, classes: &[(Class, u64)]) -> Vec<f64> {
    let used = |class| reactor.class_stats(class).busy.as_secs_f64();
    let before: Vec<f64> = classes.iter().map(|&(class, _)| used(class)).collect();
    reactor.block_on(async {
        let end = now() + Duration::from_secs(1);
        let busy = |&(class, cost)| {
            spawn_with(Spawn::new().class(class), async move {
                while now() < end {
                    advance(micros(cost));
                    yield_now().await;
                }
            })
        };
        for task in classes.iter().map(busy).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    // One poll of each comes after the end.
    classes.iter().zip(before).map(|(&(class, _), before)| used(class) - before).collect()
}

#[test]
fn shares_within_half_a_point() {
    let reactor = reactor();
    let a = reactor.add_class(ClassSpec::new("a").shares(300)).unwrap();
    let b = reactor.add_class(ClassSpec::new("b").shares(100)).unwrap();
    let parts = parts(&reactor, &[(a, 20), (b, 33)]);
    assert!((parts[0] - 0.75).abs() < 0.005, "{parts:?}");
}

#[test]
fn batch_gets_an_eighth_of_what_normal_gets() {
    let reactor = reactor();
    let parts = parts(&reactor, &[(Class::NORMAL, 20), (Class::BATCH, 20)]);
    assert!((parts[0] - 8.0 / 9.0).abs() < 0.005, "{parts:?}");
}

/// Under a task of rank 0 that never sleeps.
#[test]
fn a_reserve_within_a_point_and_nothing_for_idle() {
    let reactor = reactor();
    let kept = reactor.add_class(ClassSpec::new("kept").rank(6).reserve(0.25)).unwrap();
    let urgent = reactor.add_class(ClassSpec::new("urgent").rank(0)).unwrap();
    let parts = parts(&reactor, &[(urgent, 10), (kept, 15), (Class::IDLE, 5)]);
    assert!((parts[1] - 0.25).abs() < 0.01, "{parts:?}");
    assert!(parts[2] < 0.000_1, "{parts:?}");
}

/// A change of shares, and of the class of a task, applies from then on.
#[test]
fn changes_while_it_runs() {
    let reactor = reactor();
    let a = reactor.add_class(ClassSpec::new("a")).unwrap();
    let b = reactor.add_class(ClassSpec::new("b")).unwrap();
    assert!((parts(&reactor, &[(a, 10), (b, 10)])[0] - 0.5).abs() < 0.005);
    reactor.change_class(a, reactor.class_spec(a).shares(9 * 1024)).unwrap();
    assert!((parts(&reactor, &[(a, 10), (b, 10)])[0] - 0.9).abs() < 0.005);
    reactor.block_on(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let note = |name| {
            let order = Rc::clone(&order);
            spawn(async move { order.borrow_mut().push(name) })
        };
        let (first, last) = (note("first"), note("last"));
        assert_eq!((last.class(), last.is_finished()), (Class::NORMAL, false));
        last.set_class(Class::RT); // It is in a queue.
        assert_eq!(last.class(), Class::RT);
        first.await.unwrap();
        last.await.unwrap();
        assert_eq!(*order.borrow(), ["last", "first"]);
    });
}

#[test]
fn tasks_inherit_classes_and_ranks_are_strict() {
    let reactor = reactor();
    let mid = reactor.add_class(ClassSpec::new("mid").rank(2)).unwrap();
    let order = Rc::new(RefCell::new(Vec::new()));
    reactor.block_on(async {
        let tasks: Vec<_> = [Class::IDLE, Class::NORMAL, mid, Class::RT]
            .map(|class| {
                let order = Rc::clone(&order);
                spawn_with(Spawn::new().class(class), async move {
                    let child = spawn(async {});
                    assert_eq!(child.class(), class);
                    order.borrow_mut().push(class);
                    child.await.unwrap();
                })
            })
            .into();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*order.borrow(), [Class::RT, mid, Class::NORMAL, Class::IDLE]);
}

/// A task that is released every `period` microseconds and works for `cost`.
#[derive(Clone, Copy, Debug)]
struct Periodic {
    period: u64,
    cost: u64,
}

/// Whether such tasks meet all deadlines, without preemption and with the nearest deadline first:
/// K. Jeffay, D. Stanat, C. Martel, "On Non-Preemptive Scheduling of Periodic and Sporadic Tasks",
/// RTSS 1991, for whole microseconds.
fn are_feasible(tasks: &[Periodic]) -> bool {
    let fits = tasks.iter().map(|task| task.cost as f64 / task.period as f64).sum::<f64>() <= 1.0;
    fits && (1..tasks.len()).all(|last| {
        (tasks[0].period + 1..tasks[last].period).all(|time| {
            let earlier = tasks[..last].iter().map(|task| (time - 1) / task.period * task.cost);
            tasks[last].cost + earlier.sum::<u64>() <= time
        })
    })
}

/// Runs them for a tenth of a second: how many deadlines were missed.
fn misses(tasks: &[Periodic], order: Order) -> u64 {
    let reactor = reactor();
    let class = reactor.add_class(ClassSpec::new("periodic").rank(1).order(order)).unwrap();
    reactor.block_on(async {
        let start = now();
        let end = start + Duration::from_millis(100);
        let run = tasks.iter().map(|&Periodic { period, cost }| {
            let first = Spawn::new().class(class).deadline(micros(period));
            spawn_with(first, async move {
                let mut release = start;
                while release < end {
                    advance(micros(cost));
                    // Done: what comes next has the deadline after the next release.
                    release += micros(period);
                    set_deadline(Some(release + micros(period) - now()));
                    sleep_until(release).await;
                }
            })
        });
        for task in run.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    reactor.class_stats(class).missed_deadlines
}

/// A number generator that is good enough, from a seed.
fn random(state: &Cell<u64>, below: u64) -> u64 {
    let next =
        state.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    state.set(next);
    (next >> 33) % below
}

/// Zero misses for every set of tasks that can be scheduled at all, and some for those that cannot.
#[test]
fn deadlines_are_met_whenever_they_can_be() {
    let seed = Cell::new(7);
    let (mut feasible, mut late) = (0, 0);
    while feasible < 60 || late < 20 {
        let mut tasks: Vec<Periodic> = (0..2 + random(&seed, 5))
            .map(|_| {
                let period = 50 + random(&seed, 2_000);
                Periodic { period, cost: 1 + random(&seed, period / 3) }
            })
            .collect();
        tasks.sort_by_key(|task| task.period);
        if are_feasible(&tasks) {
            feasible += 1;
            assert_eq!(misses(&tasks, Order::Deadline), 0, "{tasks:?}");
        } else if misses(&tasks, Order::Deadline) > 0 {
            late += 1;
        }
    }
}

/// A task that is done, or goes on to the next thing, after its deadline is counted.
#[test]
fn missed_deadlines_are_counted() {
    let reactor = reactor();
    reactor.block_on(async {
        let work = |cost| {
            spawn_with(Spawn::new().deadline(micros(100)), async move { advance(micros(cost)) })
        };
        work(100).await.unwrap();
        work(101).await.unwrap();
        spawn(async {
            for cost in [5, 11, 10] {
                set_deadline(Some(micros(10)));
                advance(micros(cost));
            }
            set_deadline(None);
            advance(Duration::from_secs(1));
        })
        .await
        .unwrap();
    });
    assert_eq!(reactor.class_stats(Class::NORMAL).missed_deadlines, 2);
}

#[test]
fn a_class_belongs_to_its_reactor() {
    let (one, other) = (reactor(), reactor());
    let class = one.add_class(ClassSpec::new("mine")).unwrap();
    let spawned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        other.spawn_with(Spawn::new().class(class), async {})
    }));
    assert!(spawned.is_err());
    assert!(one.block_on(one.spawn_with(Spawn::new().class(class), async {})).is_ok());
}

/// An hour passes at once, in order; what other threads send arrives all the same.
#[test]
fn virtual_time_jumps_and_other_threads_are_heard() {
    let reactor = reactor();
    let handle = reactor.handle();
    let really = Instant::now();
    reactor.block_on(async {
        let start = now();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = [3_600, 60, 1]
            .map(|secs| {
                let order = Rc::clone(&order);
                spawn(async move {
                    sleep(Duration::from_secs(secs)).await;
                    order.borrow_mut().push((now() - start).as_secs());
                })
            })
            .into();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [1, 60, 3_600]);
        // No timer is left: this one is waited for.
        let thread = std::thread::spawn(move || handle.spawn(|| async { 42 }));
        let (sender, receiver) = evented::sync::oneshot::channel();
        let joiner = std::thread::spawn(move || {
            let task = thread.join().unwrap();
            let _ = sender.send(block_on(task).unwrap());
        });
        assert_eq!(receiver.await.unwrap(), 42);
        joiner.join().unwrap();
    });
    assert!(really.elapsed() < Duration::from_mins(10), "it did not wait for an hour");
}

/// What needs the system's clock or descriptors says so.
#[test]
fn virtual_time_has_no_descriptors_and_real_time_does_not_jump() {
    let any = "127.0.0.1:0".parse().unwrap();
    let refused = reactor().block_on(async {
        let listener = evented::net::TcpListener::bind(any)?;
        listener.accept().await
    });
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::Unsupported);
    let advanced = std::panic::catch_unwind(|| block_on(async { advance(micros(1)) }));
    assert!(advanced.is_err());
}

#[test]
fn no_more_is_reserved_than_there_is() {
    let reactor = reactor();
    let spec = |name, part| ClassSpec::new(name).rank(5).reserve(part);
    let most = reactor.add_class(spec("most", 0.6)).unwrap();
    let error = reactor.add_class(spec("rest", 0.4)).unwrap_err();
    assert!(error.to_string().contains("together reserve at most 0.9"), "{error}");
    let rest = reactor.add_class(spec("rest", 0.3)).unwrap();
    assert!(reactor.change_class(most, spec("most", 0.7)).is_err());
    reactor.change_class(rest, spec("rest", 0.1)).unwrap();
    reactor.change_class(most, spec("most", 0.8)).unwrap();
}

/// Time is not taken while it decides nothing, as it does not with one class; with the second one it does,
/// and what went by before is nobody's.
#[test]
fn what_went_by_before_time_was_taken_is_nobodys() {
    let reactor = reactor();
    let patient = ClassSpec::new("patient").rank(5).max_starve(Duration::from_millis(1));
    let patient = reactor.add_class(patient).unwrap();
    reactor.block_on(async {
        // Many short polls first: then the clock is looked at seldom.
        for _ in 0..1_000 {
            yield_now().await;
        }
        advance(Duration::from_secs(10));
        let busy = spawn(async {
            for _ in 0..20 {
                advance(micros(10));
                yield_now().await;
            }
        });
        let other = spawn_with(Spawn::new().class(patient), async {});
        busy.await.unwrap();
        other.await.unwrap();
    });
    assert_eq!(reactor.class_stats(patient).rescues, 0, "it has waited for 200 us");
    let busy = reactor.class_stats(Class::NORMAL).busy;
    assert!(busy <= Duration::from_millis(1), "{busy:?}");
}

/// The same when a task moves into the second class.
#[test]
fn what_went_by_before_a_task_moved_is_nobodys() {
    let reactor = reactor();
    let other = ClassSpec::new("other").rank(Class::NORMAL.rank());
    let other = reactor.add_class(other).unwrap();
    reactor.block_on(async {
        for _ in 0..1_000 {
            yield_now().await;
        }
        advance(Duration::from_secs(10));
        let task = spawn(async {
            for _ in 0..20 {
                advance(micros(10));
                yield_now().await;
            }
        });
        task.set_class(other);
        task.await.unwrap();
    });
    let busy = [Class::NORMAL, other].map(|class| reactor.class_stats(class).busy);
    assert!(busy[0] + busy[1] <= Duration::from_millis(1), "{busy:?}");
}

/// Tasks that are taken out of the queue to be cancelled are none.
#[test]
fn polls_are_those_that_were_done() {
    let reactor = reactor();
    reactor.block_on(async {
        let never_started = spawn(async { unreachable!("it is cancelled first") });
        let started = spawn(std::future::pending::<()>());
        let urgent = spawn_with(Spawn::new().class(Class::RT), std::future::pending::<()>());
        drop(never_started);
        yield_now().await;
        drop((started, urgent));
        yield_now().await;
        yield_now().await;
    });
    let stats = [Class::RT, Class::NORMAL].map(|class| reactor.class_stats(class));
    // The root four times, the last of them to return, and each of the two that have started once.
    assert_eq!(stats.map(|stats| stats.polls), [1, 5]);
    assert_eq!(reactor.stats().polls, 6);
    assert_eq!(stats.map(|stats| stats.ready), [0, 0]);
}

/// It is not due at once because it was ready, or made, long ago: nobody has noted that.
#[test]
fn a_limit_to_starving_counts_from_when_it_was_given() {
    let reactor = reactor();
    let low = reactor.add_class(ClassSpec::new("low").rank(5)).unwrap();
    let waited = reactor.block_on(async {
        let begin = now();
        advance(Duration::from_millis(100));
        let task = spawn_with(Spawn::new().class(low), async move { now() - begin });
        yield_now().await;
        let spec = reactor.class_spec(low).max_starve(Duration::from_millis(10));
        reactor.change_class(low, spec.clone()).unwrap();
        for _ in 0..100 {
            advance(Duration::from_millis(1));
            yield_now().await;
            // Given once more, it counts on.
            reactor.change_class(low, spec.clone()).unwrap();
        }
        task.await.unwrap()
    });
    assert_eq!(waited, Duration::from_millis(111), "the first poll after more than ten");
    assert_eq!(reactor.class_stats(low).rescues, 1);
}
