//! Death is seen on the process descriptor, and the child is reaped at once. It is buried when
//! the receiver has emptied its ring, so that every result it published counts. Burial settles or
//! requeues its calls, and the seat, if it is still to have a worker (see [`super::recycle`]),
//! waits for a replacement: at once after a useful life, later and later after useless ones. After
//! too many starts in a row without one success the [breaker](super::breaker) opens: all calls fail,
//! so nobody waits for ever.

use super::breaker::back_off_ns;
use super::process::Process;
use super::recycle::Post;
use super::{Core, Settled, State, stderr};

impl Core {
    /// A worker died: reap it.
    pub(super) fn note_death(&self, index: usize, generation: u32) {
        let mut state = self.lock();
        let Some(process) = state.process_of(index, generation) else { return };
        self.alarm.unwatch(&process.pidfd);
        if process.ended.is_none() {
            process.reap();
        }
        self.remove_reader(process);
        process.calls = None;
        process.server = None;
        let mut written = Vec::new();
        if let Some(tail) = &mut process.tail {
            // What it has written is there; what its descendants write is not its own.
            tail.read(&mut written);
            self.alarm.unwatch(tail);
        }
        // The receiver empties its ring once more and says so.
        self.inbox.ring();
        drop(state);
        // What only this worker has held is free.
        self.sweep_buffers();
        stderr::pass_on(&written);
    }
}

impl State {
    /// The process in a seat, if it is still this one.
    pub(super) fn process_of(&mut self, index: usize, generation: u32) -> Option<&mut Process> {
        let seat = self.seats.get_mut(index)?;
        if seat.generation == generation { seat.process.as_mut() } else { None }
    }

    /// Empties the seat of a dead worker.
    pub(super) fn bury(&mut self, index: usize, now_ns: u64, settled: &mut Settled) {
        let seat = &mut self.seats[index];
        let one_shot = seat.one_shot;
        let worked = seat.has_worked(now_ns);
        let (process, unclaimed, blamed) = seat.bury();
        let Some(process) = process else { return };
        let told_to_leave = process.deadline_ns.is_some() && process.ready;
        self.counters.lost += u64::from(process.ready && !told_to_leave);
        if one_shot {
            settled.extend(blamed.into_iter().map(|(call, verdict)| (call, Err(verdict))));
            // Its call never goes to another process.
            let calls = unclaimed.into_iter().chain(seat.own.take());
            settled.extend(calls.map(|call| (call, Err(process.verdict(None)))));
            self.spare_seats.push(index);
            self.remains.processes.push(process);
            return;
        }
        seat.failures = if process.useful || worked { 0 } else { seat.failures + 1 };
        let at_ns = now_ns.saturating_add(back_off_ns(seat.failures));
        // One that was sent home before it was ready has not failed.
        let failed = !process.ready && seat.post != Post::Retiring;
        if self.is_reoccupied(index) {
            self.seats[index].start_at_ns = Some(at_ns);
        }
        for (call, verdict) in blamed {
            self.conclude(call, Err(verdict), settled);
        }
        for call in unclaimed.into_iter().rev() {
            self.requeue(call);
        }
        if failed {
            self.note_start_failure(process.start_failure(), settled);
        }
        self.remains.processes.push(process);
    }
}
