//! A worker that was started becomes ready, or cannot serve.

use std::io;
use std::sync::Arc;

use ipc_channel::ipc::IpcBytesSender;

use crate::clock;
use crate::control::Up;
use crate::results::Reader;

use super::breaker::back_off_ns;
use super::process::ServerSlot;
use super::receive::Route;
use super::recycle::Post;
use super::{Core, Settled};

impl Core {
    /// A starting worker said something, or a ready one has room for descriptors again.
    pub(super) fn note_control(&self, index: usize, generation: u32) {
        let mut state = self.lock();
        let Some(process) = state.process_of(index, generation) else { return };
        if process.ready {
            // What follows the events gives it what waits in the queue. From now on the socket's
            // messages are the receiver's.
            self.alarm.unwatch(&process.control);
            return;
        }
        match process.control.receive::<Up>(false) {
            Ok(Some((Up::Ready { arena }, _))) => {
                process.sees_arena = arena;
                self.alarm.unwatch(&process.control);
                let route = Route {
                    seat: index,
                    generation,
                    control: Arc::clone(&process.control),
                    results: Reader::new(Arc::clone(process.board.segment())),
                    gone: Arc::clone(&process.gone),
                };
                let server = process.server.take();
                let spare = self.reserve_spare(&state);
                drop(state);
                let calls = self.with_spare(spare, || server.map(ServerSlot::accept));
                match calls {
                    Some(Ok(calls)) => {
                        self.install(index, generation, calls);
                        self.inbox.add(route);
                    }
                    Some(Err(reason)) => self.reject(index, generation, reason),
                    None => {}
                }
            }
            Ok(Some((Up::Refused(reason), _))) => {
                drop(state);
                self.reject(index, generation, reason);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // End of file, or nonsense: it is dying, or it has to.
            Ok(None | Some((Up::Payload(_), _))) | Err(_) => {
                self.alarm.unwatch(&process.control);
                process.kill();
            }
        }
    }

    /// A worker is ready: it gets its calls.
    fn install(&self, index: usize, generation: u32, calls: IpcBytesSender) {
        let mut settled = Settled::new();
        let mut state = self.lock();
        // Before it has anything to do: who counts descriptors then finds its own.
        self.release_spare(&state);
        if state.breaker.close() {
            state.reopen_seats();
            self.alarm.ring();
        }
        // While the breaker is open, nothing is executed.
        let usable = state.breaker.refusal().is_none();
        if let Some(process) = state.process_of(index, generation)
            && process.ended.is_none()
            && usable
        {
            process.calls = Some(calls);
            process.ready = true;
            process.deadline_ns = None;
            // Until it is dead and the receiver has emptied its ring.
            process.drained = false;
            self.send_own(&mut state, index, &mut settled);
            self.take_over(&mut state, index);
            self.nourish(&mut state, index, &mut settled);
            self.note_idle(&mut state, index);
        } else if let Some(process) = state.process_of(index, generation) {
            // It was ready and died at once (or has to); the receiver will find its ring empty.
            process.ready = true;
            process.drained = false;
            process.kill();
        }
        self.deliver(state, settled);
    }

    /// A worker cannot serve.
    fn reject(&self, index: usize, generation: u32, reason: String) {
        let mut state = self.lock();
        self.release_spare(&state);
        if let Some(process) = state.process_of(index, generation) {
            self.alarm.unwatch(&process.control);
            process.refusal = Some(reason);
            process.kill();
        }
    }

    /// A replacement could not even be started.
    pub(super) fn start_failed(&self, index: usize, error: &io::Error) {
        let mut settled = Settled::new();
        let mut state = self.lock();
        let seat = &mut state.seats[index];
        if seat.post == Post::Vacant {
            // Nobody wants it any more.
            return state.vacate(index);
        }
        seat.failures += 1;
        seat.start_at_ns = Some(clock::now_ns().saturating_add(back_off_ns(seat.failures)));
        state.note_start_failure(format!("a process could not be started: {error}"), &mut settled);
        self.deliver(state, settled);
    }
}
