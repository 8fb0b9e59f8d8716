//! Readiness against a driver that does as it is told.

mod sets;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Wake;
use std::time::{Duration, Instant};

use super::waiters::CROWD;
use super::*;
use crate::class::Class;
use crate::driver::{Directions, Unpark, Wait, Watch};

/// Notes what it is asked for; refuses when told to.
#[derive(Default)]
struct Script {
    refuse: bool,
    /// Descriptors that a poll set knows although they were closed.
    stale: Vec<RawFd>,
    /// There is no set for this rank, and none to be had; the top one is that of IDLE.
    has_no_set: Option<Rank>,
    /// (descriptor, token, directions) of each registration and change.
    asked: Vec<(RawFd, usize, Directions)>,
    /// The rank of each of them.
    ranks: Vec<Rank>,
    /// (descriptor, rank) of each end of reports.
    left: Vec<(RawFd, Rank)>,
}

impl Script {
    fn ask(&mut self, watch: Watch) -> io::Result<()> {
        if self.refuse {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.asked.push((watch.fd, watch.token, watch.directions));
        self.ranks.push(watch.rank);
        Ok(())
    }
}

impl Driver for Script {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&mut self, _sleep: Wait, _due: u8, _ready: &mut Vec<Ready>) -> io::Result<()> {
        Ok(())
    }

    fn advance(&mut self, _by: Duration) -> bool {
        false
    }

    fn rank_for(&mut self, rank: Rank) -> Rank {
        if self.has_no_set == Some(rank) { Class::IDLE.strict_rank() } else { rank }
    }

    fn register(&mut self, watch: Watch) -> io::Result<()> {
        if self.stale.contains(&watch.fd) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        self.ask(watch)
    }

    fn reregister(&mut self, watch: Watch) -> io::Result<()> {
        self.ask(watch)
    }

    fn deregister(&mut self, fd: RawFd, rank: Rank) -> io::Result<()> {
        self.left.push((fd, rank));
        self.stale.retain(|stale| *stale != fd);
        Ok(())
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        unreachable!("sources do not ask for it")
    }

    fn alarm(&mut self, _: Option<Duration>) -> io::Result<bool> {
        unreachable!("sources do not wait")
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        unreachable!("nobody parks in these tests")
    }
}

/// The rank of those who wait, where it makes no difference.
const NORMAL: Rank = Class::NORMAL.strict_rank();

/// A waker like no other one.
struct Own;

impl Wake for Own {
    fn wake(self: Arc<Self>) {}
}

fn own_waker() -> Waker {
    // A name would be a number; these are compared by address, so they must live.
    Waker::from(Arc::new(Own))
}

fn event(token: usize, read: bool, write: bool) -> Ready {
    Ready { token, read, read_undrained: false, write }
}

/// Has an event happen; the waiters that it wakes.
fn happen(sources: &Sources, event: Ready) -> Vec<Waiter> {
    let mut woken = Vec::new();
    sources.event(event, |waiter| woken.push(waiter));
    woken
}

/// Whether a call is worth trying.
fn is_ready(sources: &Sources, id: SourceId, direction: Direction) -> bool {
    sources.get(id).is_none_or(|source| source.is_ready(direction))
}

fn wait(sources: &Sources, id: SourceId, direction: Direction, class: Class) {
    let rank = class.strict_rank();
    let (_, others) = sources.wait(id, direction, (own_waker(), rank), |_| Some(false));
    assert!(others.is_empty());
}

#[test]
fn an_event_of_a_closed_descriptor_does_not_reach_the_next_source() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let old = sources.insert(&mut driver, 7, Direction::Read, NORMAL).unwrap();
    assert!(sources.remove(old, None).0.is_empty());
    // The same number and the same place, as if right after a close.
    let new = sources.insert(&mut driver, 7, Direction::Read, NORMAL).unwrap();
    wait(&sources, new, Direction::Read, Class::NORMAL);
    let woken = happen(&sources, event(old.token(), true, true));
    assert!(woken.is_empty() && !is_ready(&sources, new, Direction::Read));
    // What still refers to the old source changes nothing, either.
    sources.would_block(&mut driver, old, Direction::Write, (Waker::noop(), NORMAL)).unwrap();
    assert!(sources.get(old).is_none());
    assert_eq!(driver.asked.len(), 2, "two registrations");
    let woken = happen(&sources, event(new.token(), true, false));
    assert_eq!(woken.len(), 1);
    assert!(is_ready(&sources, new, Direction::Read));
}

#[test]
fn a_direction_is_watched_before_somebody_waits_for_it() {
    for (first, then) in [(Direction::Read, Direction::Write), (Direction::Write, Direction::Read)]
    {
        let (sources, mut driver) = (Sources::default(), Script::default());
        let id = sources.insert(&mut driver, 3, first, NORMAL).unwrap();
        let normal = (Waker::noop(), NORMAL);
        sources.would_block(&mut driver, id, first, normal).unwrap();
        assert_eq!(driver.asked.len(), 1, "the direction of the registration is watched");
        driver.refuse = true;
        assert!(sources.would_block(&mut driver, id, then, normal).is_err());
        driver.refuse = false;
        sources.would_block(&mut driver, id, then, normal).unwrap();
        sources.would_block(&mut driver, id, then, normal).unwrap();
        assert_eq!(driver.asked.last(), Some(&(3, id.token(), Directions::Both)));
        assert_eq!(driver.asked.len(), 2, "asked for again after the refusal, and then no more");
    }
}

#[test]
fn a_refused_registration_leaves_nothing() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    driver.refuse = true;
    for _ in 0..10 {
        let error = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    assert_eq!((sources.len(), sources.used.get()), (0, 0));
    driver.refuse = false;
    sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    assert_eq!((sources.len(), sources.used.get()), (1, 1));
}

#[test]
fn a_short_read_means_drained_unless_the_end_has_come() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    happen(&sources, event(id.token(), true, false));
    sources.get(id).unwrap().short_read();
    assert!(!is_ready(&sources, id, Direction::Read));
    let end = Ready { read_undrained: true, ..event(id.token(), true, false) };
    happen(&sources, end);
    sources.get(id).unwrap().short_read();
    assert!(is_ready(&sources, id, Direction::Read), "no event comes after the end");
    // A source that only writes are watched of: no event would say that there is more to read.
    let id = sources.insert(&mut driver, 4, Direction::Write, NORMAL).unwrap();
    happen(&sources, event(id.token(), true, true));
    sources.get(id).unwrap().short_read();
    assert!(is_ready(&sources, id, Direction::Read));
}

#[test]
fn readers_and_writers_wait_apart_and_are_counted_per_rank() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    let is_armed = |sources: &Sources| sources.armed() & Class::NORMAL.strict_rank().above() != 0;
    wait(&sources, id, Direction::Read, Class::NORMAL);
    assert!(!is_armed(&sources));
    wait(&sources, id, Direction::Write, Class::RT);
    assert!(is_armed(&sources));
    let woken = happen(&sources, event(id.token(), false, true));
    assert_eq!(woken.iter().map(|(_, rank)| *rank).collect::<Vec<_>>(), [Class::RT.strict_rank()]);
    assert!(!is_armed(&sources));
    wait(&sources, id, Direction::Read, Class::RT);
    assert!(is_armed(&sources));
    assert_eq!(sources.remove(id, Some(&mut driver)).0.len(), 2);
    assert!(!is_armed(&sources));
}

#[test]
fn those_who_went_away_are_taken_out_and_a_crowd_that_cares_stays() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    let waiters = |sources: &Sources| sources.get(id).unwrap().readers.len();
    // Tasks that ended: never more than the limit.
    for _ in 0..1_000 {
        sources.wait(id, Direction::Read, (own_waker(), Class::RT.strict_rank()), |_| Some(true));
        assert!(waiters(&sources) <= CROWD);
    }
    happen(&sources, event(id.token(), true, false));
    assert!(waiters(&sources) == 0 && sources.armed() == 0);
    // Tasks that live stay, however many they are.
    for n in 1..=1_000 {
        wait(&sources, id, Direction::Read, Class::NORMAL);
        assert_eq!(waiters(&sources), n);
    }
    happen(&sources, event(id.token(), true, false));
    // Wakers of other executors are asked to come back, each only a few times.
    let mut waiting: Vec<Waker> = (0..1_000).map(|_| own_waker()).collect();
    let mut waits = 0;
    while let Some(waker) = waiting.pop() {
        waits += 1;
        assert!(waits < 10_000, "they keep each other awake");
        let (_, away) =
            sources.wait(id, Direction::Read, (waker, Class::RT.strict_rank()), |_| None);
        waiting.extend(away.into_iter().map(|(waker, _)| waker));
    }
    assert_eq!(waiters(&sources), 1_000);
}

#[test]
fn a_descriptor_is_watched_with_the_most_urgent_rank_that_waits_for_it() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let urgent = Class::RT.strict_rank();
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    let mut block = |sources: &Sources, direction, rank: Rank| {
        sources.would_block(&mut driver, id, direction, (Waker::noop(), rank)).unwrap();
        sources.wait(id, direction, (own_waker(), rank), |_| Some(false));
        (driver.ranks.clone(), driver.left.clone())
    };
    assert_eq!(block(&sources, Direction::Read, NORMAL), (vec![NORMAL], vec![]));
    // Somebody urgent waits, too: it moves.
    let (ranks, left) = block(&sources, Direction::Read, urgent);
    assert_eq!((ranks, left), (vec![NORMAL, urgent], vec![(3, NORMAL)]));
    // And stays while that one waits, with another direction.
    let (ranks, left) = block(&sources, Direction::Write, NORMAL);
    assert_eq!((ranks, left), (vec![NORMAL, urgent, urgent], vec![(3, NORMAL)]));
    // Nobody urgent waits any more: it goes back with the next one that does.
    happen(&sources, event(id.token(), true, true));
    let (ranks, left) = block(&sources, Direction::Read, NORMAL);
    assert_eq!(ranks, [NORMAL, urgent, urgent, NORMAL]);
    assert_eq!(left, [(3, NORMAL), (3, urgent)]);
}

/// Waits as a task does whose call would block, the short way if that is open. True: it was.
fn block(sources: &Sources, driver: &mut Script, id: SourceId, waiter: Waiter) -> bool {
    let source = sources.get(id).expect("it is registered");
    let has_its_rank = source.rank.get() == waiter.1;
    if has_its_rank && sources.wait_first(source, Direction::Read, waiter.0.clone()) {
        return true;
    }
    sources.would_block(driver, id, Direction::Read, (&waiter.0, waiter.1)).unwrap();
    let (_, away) = sources.wait(id, Direction::Read, waiter, |_| Some(false));
    assert!(away.is_empty());
    false
}

#[test]
fn the_short_way_is_open_to_the_first_one() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let urgent = Class::RT.strict_rank();
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    let source = sources.get(id).unwrap();
    assert!(!sources.wait_first(source, Direction::Write, own_waker()), "writes are not watched");
    happen(&sources, event(id.token(), true, false));
    let first = own_waker();
    assert!(block(&sources, &mut driver, id, (first.clone(), NORMAL)));
    assert!(!is_ready(&sources, id, Direction::Read), "a call would have blocked");
    assert!(!sources.wait_first(source, Direction::Read, first.clone()), "somebody waits already");
    assert_eq!(sources.armed(), NORMAL.bit());
    // Another one, and one that is more urgent: the long way.
    assert!(!block(&sources, &mut driver, id, (own_waker(), NORMAL)));
    assert!(!block(&sources, &mut driver, id, (own_waker(), urgent)));
    assert_eq!(driver.ranks, [NORMAL, urgent]);
    let woken = happen(&sources, event(id.token(), true, false));
    assert!(woken.len() == 3 && woken[0].0.will_wake(&first), "the first one first");
    assert_eq!(sources.armed(), 0);
    assert!(!block(&sources, &mut driver, id, (own_waker(), NORMAL)), "its rank is another");
    assert_eq!(driver.ranks, [NORMAL, urgent, NORMAL]);
    assert_eq!(sources.remove(id, None).0.len(), 1);
    assert!(sources.get(id).is_none() && sources.armed() == 0);
}

/// Nobody would say when a direction is ready that is not watched.
#[test]
fn calls_in_a_direction_that_is_not_watched_are_always_tried() {
    for (watched, other) in
        [(Direction::Read, Direction::Write), (Direction::Write, Direction::Read)]
    {
        let (sources, mut driver) = (Sources::default(), Script::default());
        let id = sources.insert(&mut driver, 3, watched, NORMAL).unwrap();
        assert!(!is_ready(&sources, id, watched) && is_ready(&sources, id, other));
        sources.get(id).unwrap().short_read();
        assert!(is_ready(&sources, id, other), "it is not watched");
        sources.would_block(&mut driver, id, other, (Waker::noop(), NORMAL)).unwrap();
        assert!(!is_ready(&sources, id, other), "it is from here on");
        happen(&sources, event(id.token(), true, true));
        assert!(is_ready(&sources, id, watched) && is_ready(&sources, id, other));
        sources.would_block(&mut driver, id, other, (Waker::noop(), NORMAL)).unwrap();
        assert!(is_ready(&sources, id, watched) && !is_ready(&sources, id, other));
    }
}

/// Whom an event wakes may wait again before the event is dealt with, as may others that it wakes.
#[test]
fn who_waits_while_an_event_wakes_waits_for_the_next_one() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let id = sources.insert(&mut driver, 3, Direction::Read, NORMAL).unwrap();
    let wakers = [own_waker(), own_waker(), own_waker()];
    for waker in &wakers {
        sources.wait(id, Direction::Read, (waker.clone(), NORMAL), |_| Some(false));
    }
    for _ in 0..3 {
        let mut woken = 0;
        sources.event(event(id.token(), true, false), |(waker, rank)| {
            assert!(waker.will_wake(&wakers[woken]), "in the order in which they came");
            woken += 1;
            sources.would_block(&mut driver, id, Direction::Read, (&waker, rank)).unwrap();
            sources.wait(id, Direction::Read, (waker, rank), |_| Some(false));
        });
        assert_eq!((woken, sources.armed()), (3, NORMAL.bit()));
        assert!(!is_ready(&sources, id, Direction::Read), "a call would have blocked since then");
    }
    assert_eq!(sources.remove(id, None).0.len(), 3);
}

#[test]
fn all_sources_are_forgotten_together() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let ids = [3, 4, 5].map(|fd| sources.insert(&mut driver, fd, Direction::Read, NORMAL).unwrap());
    wait(&sources, ids[0], Direction::Read, Class::NORMAL);
    wait(&sources, ids[2], Direction::Write, Class::RT);
    assert!(sources.remove(ids[1], None).1.is_ok());
    assert_eq!(sources.clear().len(), 2);
    assert_eq!((sources.len(), sources.armed()), (0, 0));
    assert!(ids.iter().all(|&id| sources.get(id).is_none()));
    let woken = happen(&sources, event(ids[0].token(), true, true));
    assert!(woken.is_empty(), "an event that comes too late");
    assert!(sources.clear().is_empty());
}

#[test]
fn a_source_takes_one_line_of_the_cache() {
    assert_eq!((size_of::<Source>(), align_of::<Source>()), (64, 64));
}

/// One that was urgent and is so no more: it says so when it comes by, before the next event.
#[test]
fn a_waiter_that_becomes_less_urgent_takes_the_descriptor_along() {
    let (sources, mut driver) = (Sources::default(), Script::default());
    let urgent = Class::RT.strict_rank();
    let id = sources.insert(&mut driver, 3, Direction::Read, urgent).unwrap();
    let waker = own_waker();
    for rank in [urgent, NORMAL] {
        let waiter = (waker.clone(), rank);
        sources.would_block(&mut driver, id, Direction::Read, (&waiter.0, rank)).unwrap();
        sources.wait(id, Direction::Read, waiter, |_| Some(false));
        assert_eq!((driver.ranks.last(), sources.armed()), (Some(&rank), rank.bit()));
    }
}
