//! What a pool asks of its engine, for a pool whose calls are executed elsewhere.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::arena::Arena;
use crate::arena::holds::Readers;
use crate::call::{Call, Ways};
use crate::callbacks::Desk;
use crate::clock;
use crate::engine::Engine;
use crate::error::JoinError;
use crate::harvest::Harvest;
use crate::stats::Stats;
use crate::ticket::Ticket;
use crate::tray::{Look, Tray};

use super::super::task::Named;
use super::settle::Settled;
use super::{Closing, Command, NodeStats, Remote, State};

/// So many calls that were cancelled stay in the queue at least, or as many as others, until they are
/// looked for: until then they take memory.
const KEPT_CANCELLED: usize = 64;

/// For each worker of the cluster, as many are counted, because results are on the way for a while.
const DEPTH: usize = 4;

impl Engine for Remote {
    fn name(&self) -> &str {
        &self.cluster.namespace
    }

    fn call_timeout(&self) -> Option<Duration> {
        None
    }

    fn ways(&self) -> Ways<'_> {
        let max_payload = self.cluster.max_payload;
        Ways { max_payload, inline: usize::MAX, arena: None }
    }

    fn arena_and_readers(&self) -> Option<(&Arc<Arena>, &Arc<Readers>)> {
        None
    }

    fn submit(&self, call: Call) {
        let named = self.named(&call);
        let mut state = self.lock();
        let mut settled = Settled::default();
        match named {
            Err(error) => settled.call(&mut state, call, Err(error)),
            Ok(named) => match self.refusal(&state) {
                Some(error) => settled.call(&mut state, call, Err(error)),
                None if call.target.is_queued() => state.queue.push_back((call, named)),
                // What a tray had of a map that is gone.
                None => settled.call(&mut state, call, Err(JoinError::Cancelled)),
            },
        }
        drop(state);
        settled.wake();
        self.work.notify_one();
    }

    fn cancel(&self, ticket: &Ticket) -> bool {
        let mut state = self.lock();
        if ticket.is_queued() {
            let waiters = ticket.settle(Err(JoinError::Cancelled));
            state.counters.cancelled += 1;
            let cancelled = state.cancelled_one();
            drop(state);
            drop(cancelled);
            if let Ok(waiters) = waiters {
                waiters.wake(ticket);
            }
            self.work.notify_one();
            return true;
        }
        if let Some(number) = state.number_of(ticket) {
            // It fails only after the end, when nothing is under way.
            let (Ok(()) | Err(_)) = self.commands.send(Command::Withdraw(number));
        }
        false
    }

    fn kill(&self, ticket: &Ticket) -> bool {
        let number = self.lock().number_of(ticket);
        number.is_some_and(|number| self.commands.send(Command::Kill(number)).is_ok())
    }

    fn is_running(&self, ticket: &Ticket) -> bool {
        let state = self.lock();
        let number = state.number_of(ticket);
        number.is_some_and(|number| state.flights[&number].holder().is_some())
    }

    fn pid_of(&self, _ticket: &Ticket) -> Option<u32> {
        None
    }

    fn desk(&self) -> Arc<Desk> {
        self.desk.open(&self.cluster.namespace);
        Arc::clone(&self.desk)
    }

    fn attend(&self, tray: &Arc<Tray>) {
        let mut state = self.lock();
        if state.ended {
            drop(state);
            return self.clear(tray);
        }
        state.trays.retain(|tray| tray.strong_count() > 0);
        state.trays.push(Arc::downgrade(tray));
        drop(state);
        let (Ok(()) | Err(_)) = self.commands.send(Command::Attend(Arc::clone(tray)));
    }

    fn abandon(&self, harvest: &Arc<Harvest>) {
        let mut settled = Settled::default();
        let mut state = self.lock();
        let pieces = harvest.close();
        let (of_it, others): (VecDeque<_>, _) = std::mem::take(&mut state.queue)
            .into_iter()
            .partition(|(call, _named)| call.target.belongs_to(harvest));
        state.queue = others;
        for (call, _named) in of_it {
            settled.call(&mut state, call, Err(JoinError::Cancelled));
        }
        let flights = state.flights.iter();
        let gone = flights.filter(|(_number, flight)| flight.call.target.belongs_to(harvest));
        let gone: Vec<_> = gone.map(|(&number, _flight)| number).collect();
        drop(state);
        drop(pieces);
        settled.wake();
        for number in gone {
            let (Ok(()) | Err(_)) = self.commands.send(Command::Withdraw(number));
        }
    }

    fn withdraw(&self, _harvest: &Arc<Harvest>, _kill: bool) {
        unreachable!("nodes ask their workers");
    }

    fn workers(&self) -> usize {
        self.lock().nodes.workers()
    }

    fn width(&self) -> usize {
        DEPTH * self.lock().nodes.workers().max(2)
    }

    fn resize(&self, _workers: usize) -> io::Result<()> {
        let message = "resize a cluster from here: start or stop nodes instead";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }

    fn stats(&self) -> Stats {
        let state = self.lock();
        let begun = state.flights.values().filter(|flight| flight.holder().is_some());
        let running: u64 = begun.map(|flight| u64::from(flight.call.items())).sum();
        let flying: u64 = state.flights.values().map(|f| u64::from(f.call.items())).sum();
        let queued = state.queue.iter().filter(|(call, _)| call.target.is_queued());
        let queued: u64 = queued.map(|(call, _)| u64::from(call.items())).sum();
        let (workers, counters) = (state.nodes.workers(), state.counters);
        Stats {
            workers,
            queued: queued + flying - running,
            running,
            ready: workers,
            done: counters.done,
            panicked: counters.panicked,
            failed: counters.failed,
            cancelled: counters.cancelled,
            started: 0,
            retried: counters.retried,
            recycled: 0,
            lost: counters.lost,
            arena_blocks: 0,
            arena_bytes: 0,
            arena_kept_bytes: 0,
        }
    }

    fn nodes(&self) -> Vec<NodeStats> {
        self.lock().node_stats()
    }

    fn is_closing(&self) -> bool {
        self.lock().closing.is_some()
    }

    fn close(&self, drain: bool) -> usize {
        let mut settled = Settled::default();
        let mut state = self.lock();
        if drain {
            state.closing.get_or_insert(Closing::Drain);
        } else {
            let until = Instant::now() + self.cluster.grace;
            state.closing = Some(Closing::Now { until });
            for (call, _named) in state.take_queue() {
                if call.target.is_queued() {
                    settled.call(&mut state, call, Err(JoinError::Cancelled));
                } else {
                    settled.drop_later(call);
                }
            }
            for &number in state.flights.keys() {
                let (Ok(()) | Err(_)) = self.commands.send(Command::Withdraw(number));
            }
        }
        drop(state);
        let unrun = settled.items();
        settled.wake();
        self.work.notify_one();
        unrun
    }

    fn interrupt(&self) -> bool {
        let state = self.lock();
        let (closing, ended) = (state.closing, state.ended);
        drop(state);
        match closing {
            None => self.close(true),
            Some(Closing::Drain) if !ended => self.close(false),
            Some(_) => return false,
        };
        true
    }

    fn wait_until_ended(&self) {
        let mut state = self.lock();
        while !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish_callbacks(&self) {
        self.desk.close();
    }
}

impl State {
    /// One call of the queue was cancelled. Returns those that were, when there are many: to be dropped
    /// without the lock.
    fn cancelled_one(&mut self) -> VecDeque<(Call, Named)> {
        self.cancelled += 1;
        if self.cancelled <= KEPT_CANCELLED.max(self.queue.len() / 2) {
            return VecDeque::new();
        }
        let queue = self.take_queue();
        let (queue, cancelled) = queue.into_iter().partition(|(call, _)| call.target.is_queued());
        self.queue = queue;
        cancelled
    }
}

impl Remote {
    /// Takes everything out of a tray that nobody looks at any more.
    pub(super) fn clear(&self, tray: &Tray) {
        // It is not announced again before a look has found it empty.
        loop {
            let call = match tray.look(clock::now_ns()) {
                Look::Empty => return,
                Look::Stale(call) => Some(call),
                Look::Fresh(_due_ns) => tray.empty(),
            };
            if let Some(call) = call {
                self.submit(call);
            }
        }
    }
}
