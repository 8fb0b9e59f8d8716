//! What one look has no room for, and what it passes over, is not slept on.

use std::io::{PipeWriter, Write, pipe};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::thread::scope;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::sets::{EVENTS, MEMBER_EVENTS};
use super::*;
use crate::Class;

/// The rank that is used first in these tests: its descriptors are in the top set.
const TOP: Rank = Class::NORMAL.strict_rank();
/// Those of these ranks have sets of their own, which are members of it.
const MEMBERS: [Rank; 2] = [Class::RT.strict_rank(), Class::IDLE.strict_rank()];
/// No wait that ends takes this long, on any machine.
const BOUND: Duration = Duration::from_secs(10);

/// Descriptors that a driver watches. They end with this, and their reports with them.
struct Crowd {
    descriptors: Vec<OwnedFd>,
    writer: PipeWriter,
}

impl Crowd {
    /// So many of this rank that are not ready.
    fn new(driver: &mut MioDriver, rank: Rank, count: usize) -> Self {
        let (reader, writer) = pipe().unwrap();
        // All can be read as soon as one can.
        let descriptors: Vec<OwnedFd> =
            (0..count).map(|_| reader.try_clone().unwrap().into()).collect();
        for (token, fd) in descriptors.iter().map(AsRawFd::as_raw_fd).enumerate() {
            driver.register(Watch { fd, token, directions: Directions::Read, rank }).unwrap();
        }
        Self { descriptors, writer }
    }

    /// All of them are ready from here on.
    fn ready(mut self) -> Vec<OwnedFd> {
        self.writer.write_all(b"x").unwrap();
        self.descriptors
    }
}

/// How many reports come with one wait.
fn reports(driver: &mut MioDriver, sleep: Wait, due: u8) -> usize {
    let mut ready = Vec::new();
    driver.wait(sleep, due, &mut ready).unwrap();
    assert!(ready.iter().all(|ready| ready.read));
    ready.len()
}

/// The same of one that has no limit, and yet may not sleep.
///
/// # Panics
///
/// When it does.
fn reports_at_once(driver: &mut MioDriver) -> usize {
    let unparker = driver.unparker();
    let (sender, receiver) = channel();
    scope(|scope| {
        scope.spawn(move || sender.send(reports(driver, Wait::Forever, u8::MAX)));
        let reports = receiver.recv_timeout(BOUND).inspect_err(|_| unparker.unpark());
        reports.expect("it sleeps on what is left")
    })
}

/// A driver whose top set is that of [`TOP`], and nothing in it is ready.
fn driver() -> (MioDriver, Crowd) {
    let mut driver = MioDriver::new().unwrap();
    let silent = Crowd::new(&mut driver, TOP, 1);
    (driver, silent)
}

#[test]
fn what_a_look_at_a_member_has_no_room_for() {
    for rank in MEMBERS {
        for extra in [0, 1, 40] {
            let (mut driver, _silent) = driver();
            let crowd = Crowd::new(&mut driver, rank, MEMBER_EVENTS + extra);
            assert_eq!(reports(&mut driver, Wait::Look, u8::MAX), 0);
            assert!(driver.alarm(None).unwrap());
            let _ready = crowd.ready();
            assert_eq!(reports(&mut driver, Wait::Look, u8::MAX), MEMBER_EVENTS);
            assert!(!driver.alarm(None).unwrap(), "somebody else would sleep on what is left");
            // The system tells of it no more, so this may not sleep.
            assert_eq!(reports_at_once(&mut driver), extra);
            assert!(driver.alarm(None).unwrap(), "nothing is left");
            assert_eq!(reports(&mut driver, Wait::Look, u8::MAX), 0);
        }
    }
}

/// The same where the looks are those of a reactor whose tasks are ready.
#[test]
fn what_looks_between_polls_have_no_room_for() {
    for rank in MEMBERS {
        let (mut driver, _silent) = driver();
        let _ready = Crowd::new(&mut driver, rank, MEMBER_EVENTS + 40).ready();
        let due = rank.bit();
        assert_eq!(reports(&mut driver, Wait::Never, due), MEMBER_EVENTS);
        assert!(!driver.alarm(None).unwrap(), "somebody else would sleep on what is left");
        assert_eq!(reports_at_once(&mut driver), 40);
    }
}

#[test]
fn what_was_not_due_when_the_system_told_of_it() {
    for rank in MEMBERS {
        let (mut driver, _silent) = driver();
        let _ready = Crowd::new(&mut driver, rank, 3).ready();
        assert_eq!(reports(&mut driver, Wait::Never, TOP.bit()), 0);
        assert!(!driver.alarm(None).unwrap(), "somebody else would sleep on what is left");
        assert_eq!(reports_at_once(&mut driver), 3);
        assert!(driver.alarm(None).unwrap(), "nothing is left");
    }
}

#[test]
fn what_is_less_urgent_than_what_was_found() {
    let (mut driver, _silent) = driver();
    let crowds = MEMBERS.map(|rank| Crowd::new(&mut driver, rank, 3));
    let _ready = crowds.map(Crowd::ready);
    for _ in MEMBERS {
        assert_eq!(reports_at_once(&mut driver), 3);
    }
    assert!(driver.alarm(None).unwrap(), "nothing is left");
}

/// Raises the limit of descriptors of this process. False if it may not.
fn has_descriptors(needed: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return true;
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).is_ok()
}

/// Whoever waits for the descriptor with an edge is not told of it twice.
#[test]
fn what_a_look_at_the_top_set_has_no_room_for() {
    let needed = EVENTS + 40;
    // Other tests of this process have as many as without this one.
    if !has_descriptors(needed as u64 + 1_500) {
        eprintln!("skipped: the limit of descriptors is too low for {needed} of them");
        return;
    }
    let mut driver = MioDriver::new().unwrap();
    let _ready = Crowd::new(&mut driver, TOP, needed).ready();
    assert_eq!(reports(&mut driver, Wait::Look, u8::MAX), EVENTS);
    assert!(!driver.alarm(None).unwrap(), "somebody else would sleep on what is left");
    assert_eq!(reports_at_once(&mut driver), 40);
    assert!(driver.alarm(None).unwrap(), "nothing is left");
}
