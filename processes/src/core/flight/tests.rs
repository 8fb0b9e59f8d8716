//! What a seat does with answers, takings and deaths, with a board but without a worker.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::process::Server;
use super::super::{Config, Core, Settled};
use super::*;
use crate::arena::freight::Brings;
use crate::call::{Code, Ways};
use crate::control::{Control, Down};
use crate::frame::{Body, take_call};
use crate::options::CallOptions;
use crate::results::BOARD_AND_RING_BYTES;
use crate::segment::Segment;
use crate::tray::Tray;

/// A seat whose worker, which is none, has begun a frame of ten items, and executes the fourth; with
/// slot and number of the frame. Two are answered.
pub(in crate::core) fn seat() -> (Seat, u16, u32) {
    let (seat, slot, sequence, _control) = seat_and_control();
    (seat, slot, sequence)
}

/// As [`seat`], with what the worker would have of the control socket.
fn seat_and_control() -> (Seat, u16, u32, Control) {
    let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let (control, far) = Control::pair().unwrap();
    let board = Board::new(Segment::create(BOARD_AND_RING_BYTES).unwrap());
    let (server, _name) = Server::new().unwrap();
    let mut seat = Seat::new(false);
    seat.process = Some(Process::new(child, pidfd, control, 1 << 20, board, server, 0));
    seat.load_call(0, frame(), 1, None, &mut Vec::new()).unwrap();
    let (slot, entry) = seat.occupied().next().unwrap();
    let sequence = entry.sequence;
    let board = &seat.process.as_ref().unwrap().board;
    assert!(board.claim(slot, sequence, 1));
    for index in 0..3 {
        assert!(board.finish(slot, sequence, index) && board.advance(slot, sequence, index, 1));
    }
    assert!(matches!(seat.answered(slot, sequence, 2), Answered::Part(_, None)));
    (seat, slot, sequence, Control::from_fd(far))
}

/// A frame of ten items.
fn frame() -> Call {
    let code = Code { function: 0, trampoline: 0 };
    let tray = Tray::new(Arc::default(), code, CallOptions::new());
    let mut contents = tray.lock();
    for number in 0..10_u8 {
        contents.encoder.try_item(|bytes| bytes.push(number));
        contents.keep(number.into(), true, Brings::Nothing);
    }
    drop(contents);
    tray.empty().unwrap()
}

/// Ends the worker; whether it was killed.
pub(in crate::core) fn end(seat: &mut Seat) -> bool {
    let mut process = seat.process.take().unwrap();
    drop(process.child.stdin.take());
    process.child.wait().unwrap().signal() == Some(9)
}

#[test]
fn a_cut_takes_what_was_not_claimed() {
    let (mut seat, slot, sequence) = seat();
    assert_eq!(seat.cut(slot).unwrap().items(), 6);
    assert_eq!((seat.items(), seat.load()), (2, 1));
    assert!(matches!(seat.answered(slot, sequence, 3), Answered::Nonsense));
    assert!(matches!(seat.answered(slot, sequence, 2), Answered::Part(_, Some(_))));
    assert_eq!((seat.items(), seat.load()), (0, 0));
    assert!(!end(&mut seat));
}

#[test]
fn a_frame_that_is_not_begun_is_looked_for_again() {
    let (mut seat, slot, sequence) = seat();
    assert!(matches!(seat.answered(slot, sequence, 8), Answered::Part(_, Some(_))));
    seat.load_call(0, frame(), 2, None, &mut Vec::new()).unwrap();
    let grace = std::time::Duration::from_secs(30);
    let (core, threads) = Core::start(Config::new("cuts", 1 << 20, grace)).unwrap();
    let mut state = core.lock();
    let now_ns = crate::clock::now_ns();
    state.seats.push(seat);
    // Another worker has nothing to do.
    core.cut_for(&mut state, 1, &mut Settled::new());
    let next_ns = state.next_check_ns;
    let mut seat = state.seats.pop().unwrap();
    drop(state);
    core.close(false);
    threads.join();
    assert!(next_ns < now_ns.saturating_add(5_000_000_000), "only when it is sure to be late");
    assert!(!end(&mut seat));
}

#[test]
fn a_long_argument_that_is_sent_again_has_another_number() {
    let (mut seat, _slot, _sequence, control) = seat_and_control();
    let length: fn(Vec<u8>) -> usize = |bytes| bytes.len();
    let ways = Ways::without_arena(1 << 20);
    let (mut call, ticket) = Call::new(length, &vec![1; 100_000], ways, None).unwrap();
    let mut ids = Vec::new();
    for order in 2..5 {
        let mut frame = Vec::new();
        seat.load_call(0, call, order, None, &mut frame).unwrap();
        let (_header, body) = take_call(&mut frame.as_slice()).unwrap();
        let (message, _descriptor) = control.receive::<Down>(false).unwrap().unwrap();
        let Down::Payload(id) = message else { panic!("{message:?}") };
        assert_eq!(body, Body::Payload(id));
        ids.push(id);
        call = seat.revoke(ticket.place().unwrap()).unwrap();
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert!(!end(&mut seat));
}

#[test]
fn who_has_not_claimed_what_it_has_answered_is_killed() {
    let (mut seat, slot, _sequence) = seat();
    seat.process.as_ref().unwrap().board.spoil(0);
    assert!(seat.cut(slot).is_none());
    assert_eq!(seat.items(), 8, "nothing is forgotten");
    assert!(end(&mut seat), "it goes on");
}

#[test]
fn the_dead_are_blamed_for_what_may_have_run() {
    // The board says that this item is executed; never run, and to blame.
    for (index, expected) in [(1, (8, 0)), (2, (7, 1)), (3, (6, 2)), (9, (0, 8))] {
        let (mut seat, slot, _sequence) = seat();
        let board = seat.process.as_ref().unwrap().board.clone();
        board.spoil(index);
        let entry = seat.slots[usize::from(slot)].take().unwrap();
        let (unclaimed, blamed) = entry.inquest(slot, &board);
        let items = |call: Option<Call>| call.map_or(0, |call| call.items());
        assert_eq!((items(unclaimed), items(blamed)), expected, "{index}");
        assert!(!end(&mut seat));
    }
    // What cannot be.
    for index in [0, 10, u16::MAX] {
        let (mut seat, slot, _sequence) = seat();
        let board = seat.process.as_ref().unwrap().board.clone();
        board.spoil(index);
        let entry = seat.slots[usize::from(slot)].take().unwrap();
        let (unclaimed, blamed) = entry.inquest(slot, &board);
        assert!(unclaimed.is_none() && blamed.unwrap().items() == 8, "{index}");
        assert!(!end(&mut seat));
    }
}
