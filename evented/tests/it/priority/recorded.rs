//! What classes promise, from the record: counted in polls, and not by a clock.

use std::cell::Cell;
use std::io::{PipeReader, Read, Write, pipe};
use std::rc::Rc;
use std::time::{Duration, Instant};

use evented::net::{UnixStream, Watch};
use evented::record::{Event, Record, RecorderSpec, TaskId, What, mark};
use evented::{Class, Reactor, Spawn, call_later, handle, sleep, spawn, spawn_with, yield_now};
use futures_lite::AsyncReadExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{bounded, in_own_process, until_readers_wait};

/// What a background poll takes at least.
const POLL: Duration = Duration::from_micros(20);
/// How often something urgent comes.
const ROUNDS: usize = 40;

/// A poll of a task.
fn is_poll_of(event: &Event, task: TaskId) -> bool {
    event.task == Some(task) && matches!(event.what, What::Poll { .. })
}

/// The events between the end of each poll in which `label` was marked and the next poll of `task`.
fn between<'a>(record: &'a Record, label: &str, task: TaskId) -> Vec<&'a [Event]> {
    assert_eq!(record.overwritten(), 0, "the ring is large enough");
    let mut rest = record.events();
    let mut found = Vec::new();
    let is_mark =
        |event: &Event| matches!(&event.what, What::Mark { label: other, .. } if other == label);
    while let Some(marked) = rest.iter().position(is_mark) {
        let by = rest[marked].task.unwrap();
        rest = &rest[marked..];
        let ended = rest.iter().position(|event| is_poll_of(event, by)).unwrap();
        rest = &rest[ended + 1..];
        let Some(polled) = rest.iter().position(|event| is_poll_of(event, task)) else { break };
        found.push(&rest[..polled]);
        rest = &rest[polled..];
    }
    found
}

fn polls(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event.what, What::Poll { .. })).count()
}

/// The task that reads, and what was recorded while background tasks were busy all the time.
fn urgent_reads(latency: Duration) -> (TaskId, Record) {
    let spec = RecorderSpec::new().events(1 << 17);
    let reactor = Reactor::builder().latency(latency).recorder(spec).build().unwrap();
    reactor.block_on(bounded(async {
        let (writer, mut reader) = UnixStream::pair().unwrap();
        let mut writer = writer.into_std().unwrap();
        let read = Rc::new(Cell::new(0));
        let count = Rc::clone(&read);
        let urgent = spawn_with(Spawn::new().class(Class::RT), async move {
            while count.get() < ROUNDS {
                reader.read_exact(&mut [0]).await.unwrap();
                count.set(count.get() + 1);
            }
        });
        let background = || async {
            loop {
                let start = Instant::now();
                while start.elapsed() < POLL {
                    std::hint::spin_loop();
                }
                yield_now().await;
            }
        };
        let _background: Vec<_> = (0..20).map(|_| spawn(background())).collect();
        for round in 0..ROUNDS {
            for _ in 0..round % 5 {
                yield_now().await;
            }
            // The byte is there when this returns, as it need not be on the loopback.
            writer.write_all(&[1]).unwrap();
            mark("readable", round as u64);
            while read.get() <= round {
                yield_now().await;
            }
        }
        let id = urgent.id();
        urgent.await.unwrap();
        (id, handle().record().unwrap())
    }))
}

/// At most 1 + ceil(latency / poll) polls come between readiness and the urgent poll. A machine that is
/// busy makes polls longer, and so their number smaller.
#[test]
fn latency_bounds_the_polls_before_the_urgent_one() {
    for latency in [0, 20, 50, 100].map(Duration::from_micros) {
        let (urgent, record) = urgent_reads(latency);
        let waits = between(&record, "readable", urgent);
        assert_eq!(waits.len(), ROUNDS);
        let bound = 1 + latency.as_nanos().div_ceil(POLL.as_nanos());
        let most = waits.iter().map(|events| polls(events)).max().unwrap();
        assert!(most as u128 <= bound, "{latency:?}: {most} polls, and {bound} are allowed");
    }
}

/// As many as there may be descriptors, up to 4,000.
fn crowd() -> usize {
    const WANTED: u64 = 4_000;
    const OTHERS: u64 = 300;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX).min(WANTED + OTHERS);
    if limit.current.is_some_and(|current| current < allowed) {
        // If it may not be, the crowd is smaller.
        setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), ..limit }).ok();
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(current.saturating_sub(OTHERS).min(WANTED)).unwrap()
}

/// The urgent one is polled before any of thousands, all of which were ready before it.
#[test]
fn the_urgent_one_goes_before_thousands_that_are_ready() {
    const NAME: &str = "priority::recorded::the_urgent_one_goes_before_thousands_that_are_ready";
    /// How many have a pipe together; the system refuses too many.
    const TOGETHER: usize = 250;
    in_own_process(NAME, || {
        let crowd = crowd();
        let spec = RecorderSpec::new().events(1 << 17);
        let builder = Reactor::builder().latency(Duration::from_secs(1)).recorder(spec);
        let reactor = builder.build().unwrap();
        // One descriptor for each of them, and one byte.
        let waiting = |class, pipe: PipeReader| {
            reactor.spawn_with(Spawn::new().class(class), async move {
                let pipe = Watch::new(pipe).unwrap();
                pipe.read_with(|mut pipe| pipe.read_exact(&mut [0])).await.unwrap();
            })
        };
        let (mut low, mut writers) = (Vec::new(), Vec::new());
        while low.len() < crowd {
            let (reader, writer) = pipe().unwrap();
            let count = TOGETHER.min(crowd - low.len());
            low.extend((0..count).map(|_| waiting(Class::NORMAL, reader.try_clone().unwrap())));
            writers.push((writer, count));
        }
        let (reader, writer) = pipe().unwrap();
        let urgent = waiting(Class::RT, reader);
        writers.push((writer, 1));
        reactor.block_on(until_readers_wait(crowd + 1));
        for (writer, count) in &mut writers {
            writer.write_all(&vec![1; *count]).unwrap();
        }
        let id = urgent.id();
        let before = reactor.record().events().len();
        reactor.block_on(bounded(async {
            for task in low {
                task.await.unwrap();
            }
            urgent.await.unwrap();
        }));
        let record = reactor.record();
        assert_eq!(record.overwritten(), 0);
        let events = &record.events()[before..];
        let first = events.iter().position(|event| is_poll_of(event, id)).unwrap();
        let root = |event: &&Event| event.task.is_none_or(|task| task.slot() == 0);
        let others = events[..first].iter().filter(|event| !root(event));
        let polled = others.filter(|event| matches!(event.what, What::Poll { .. })).count();
        assert_eq!(polled, 0, "of {crowd} that are less urgent");
        assert!(polls(&events[first..]) > crowd);
    });
}

/// Calls itself later, with no delay, for as long as it may.
fn again(goes_on: Rc<Cell<bool>>) {
    if goes_on.get() {
        drop(call_later(Duration::ZERO, move || again(goes_on)));
    }
}

/// Timers that are due at once, one after the other, do not keep a reader of the same class waiting: the
/// next turn looks at descriptors.
#[test]
fn call_later_without_delay_does_not_starve_descriptors() {
    let spec = RecorderSpec::new().events(1 << 17);
    let reactor = Reactor::builder().recorder(spec).build().unwrap();
    let (reader, record) = reactor.block_on(bounded(async {
        let (writer, mut stream) = UnixStream::pair().unwrap();
        let mut writer = writer.into_std().unwrap();
        let goes_on = Rc::new(Cell::new(true));
        (0..10).for_each(|_| again(Rc::clone(&goes_on)));
        let reader = spawn(async move {
            for _ in 0..ROUNDS {
                stream.read_exact(&mut [0]).await.unwrap();
            }
        });
        for round in 0..ROUNDS {
            let (calls, called) = (Rc::new(Cell::new(false)), evented::sync::Notify::new());
            let (write, notify) = (Rc::clone(&calls), called.clone());
            // In the middle of a turn.
            drop(call_later(Duration::ZERO, move || {
                write.set(true);
                notify.notify_one();
            }));
            called.notified().await;
            assert!(calls.get());
            writer.write_all(&[1]).unwrap();
            mark("readable", round as u64);
            sleep(Duration::from_micros(200)).await;
        }
        let id = reader.id();
        reader.await.unwrap();
        goes_on.set(false);
        (id, handle().record().unwrap())
    }));
    let waits = between(&record, "readable", reader);
    assert_eq!(waits.len(), ROUNDS);
    for events in waits {
        let looks = events.iter().filter(|event| matches!(event.what, What::IoWait { .. })).count();
        assert!(looks <= 1, "the first look finds it: {looks}");
        assert!(polls(events) <= 2 * 64, "what is left of a turn, and the next one: {events:?}");
    }
}
