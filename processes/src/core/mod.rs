//! The heart of a pool in the parent: the queue, the seats and the two threads that serve them.
//!
//! # Threads
//!
//! Whatever the number of workers and calls, a core has two threads. The *receiver* sleeps on a
//! doorbell that all workers can ring, empties their rings of results, puts outcomes into tickets and hands
//! the freed workers their next calls. The *supervisor* blocks on process descriptors and start-up sockets:
//! it starts, buries and replaces workers and keeps time limits. Both block without a time-out while
//! nothing is due, so an idle pool wakes up zero times a second. A third thread calls callbacks, from the
//! first one on (see [`crate::callbacks`]).
//!
//! # One lock
//!
//! [`State`] sits behind one mutex, held for bookkeeping and for sends that cannot block: what
//! is in flight to a worker never exceeds what its socket takes ([`seat`] counts the credits).
//! A call is settled while the lock is held, so that nobody finds a call that is neither in the
//! queue nor with a worker nor finished; whoever waits for it is woken after the lock is released,
//! because that wakes threads and calls wakers. What is of no use any more is dropped then, too
//! ([`locked`]). Lock order: state, then ticket.
//!
//! # The way of a call
//!
//! queue -> slot of a seat (the ticket is `Sent`, the board says `QUEUED`) -> the worker claims
//! it -> record in the worker's ring -> ticket. Items of a map go the same way, many in one call, with
//! a record for each, to the map's [harvest](crate::harvest). A call that is `QUEUED` on the board may go
//! back: to be cancelled, to be given to an idle worker, or because its worker died. A call that was
//! claimed never runs again, unless it asked for that ([`retry`]).

mod admit;
mod alarm;
mod attend;
mod breaker;
mod burial;
mod cut;
mod dispatch;
mod flight;
mod launch;
mod lifeline;
mod limits;
mod locked;
mod process;
mod queue;
mod receive;
mod recycle;
mod retry;
mod scarce;
mod seat;
mod settle;
mod shared;
mod spare;
mod stderr;
mod supervise;
mod threads;
mod view;
mod vigil;

#[cfg(test)]
pub(crate) use receive::fuzz;

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::call::{Call, Ways};
use crate::callbacks::Desk;
use crate::clock;
use crate::error::JoinError;
use crate::frame::MAX_INLINE;
use crate::shortage;
use crate::ticket::Ticket;

use alarm::Alarm;
use attend::Trays;
use breaker::Breaker;
use lifeline::Lifeline;
use locked::{Locked, Remains};
use process::Doom;
use queue::Queue;
use receive::Inbox;
use scarce::Scarcity;
use seat::Seat;
use settle::Settled;
use shared::Shared;
use spare::Spare;
use view::Counters;

pub(crate) use breaker::back_off_ns;
pub(crate) use threads::Threads;

/// How long a worker may take until it is ready, unless the pool says otherwise.
pub(crate) const DEFAULT_INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a pool was built with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Names the threads and the worker processes.
    pub(crate) name: String,
    /// Largest encoded argument or result.
    pub(crate) max_payload: usize,
    /// The size of the arena for arguments; zero: there is none.
    pub(crate) arena_bytes: usize,
    /// Time limit of calls that bring none of their own.
    pub(crate) call_timeout: Option<Duration>,
    /// How long a worker may take to leave before it is killed.
    pub(crate) grace: Duration,
    /// What each worker calls before it takes calls.
    pub(crate) init: Option<Arc<Call>>,
    /// How long a worker may take until it is ready, with that call.
    pub(crate) init_timeout: Duration,
    /// How many calls a worker executes before it is replaced.
    pub(crate) max_calls: Option<u64>,
    /// How many bytes a worker may have resident before it is replaced.
    pub(crate) max_rss: Option<u64>,
    /// How long a worker may have nothing to do before it ends.
    pub(crate) idle_timeout: Option<Duration>,
    /// How much is kept of what a worker writes to its standard error; zero: it is inherited.
    pub(crate) stderr_bytes: usize,
    /// Whether panics have a backtrace whatever the environment says.
    pub(crate) backtraces: bool,
}

impl Config {
    /// The usual ones.
    pub(crate) fn new(name: &str, max_payload: usize, grace: Duration) -> Self {
        Self {
            name: name.to_owned(),
            max_payload,
            arena_bytes: 0,
            call_timeout: None,
            grace,
            init: None,
            init_timeout: DEFAULT_INIT_TIMEOUT,
            max_calls: None,
            max_rss: None,
            idle_timeout: None,
            stderr_bytes: 0,
            backtraces: false,
        }
    }
}

/// The shared part of a pool.
#[derive(Debug)]
pub(crate) struct Core {
    /// What it was built with.
    config: Config,
    /// Everything that changes.
    state: Mutex<State>,
    /// Signalled when the last worker of a closing core is gone.
    ended: Condvar,
    /// Wakes the supervisor.
    alarm: Arc<Alarm>,
    /// Ends the workers when this process ends.
    lifeline: Lifeline,
    /// Held while a worker starts.
    spare: Spare,
    /// Brings new rings to the receiver, and wakes it.
    inbox: Inbox,
    /// Calls callbacks.
    desk: Arc<Desk>,
    /// Large arguments, and buffers; none without addresses for it.
    arena: Option<Shared>,
}

/// Everything that changes, behind the core's lock.
#[derive(Debug, Default)]
struct State {
    /// Calls that no worker has.
    queue: Queue,
    /// Where items of maps wait for others.
    trays: Trays,
    /// The workers' places.
    seats: Vec<Seat>,
    /// Seats that nobody has and that may be used again.
    spare_seats: Vec<usize>,
    /// Set when the core stops, and how.
    closing: Option<Closing>,
    /// True when the last worker of a closing core is gone.
    ended: bool,
    /// What happens when workers cannot be started.
    breaker: Breaker,
    /// When the supervisor looks at time limits next; it must be woken for an earlier one.
    next_check_ns: u64,
    /// Stamps calls in the order they were sent, so that they are requeued in that order.
    sent: u64,
    /// What happened so far.
    counters: Counters,
    /// Whether calls wait for descriptors.
    scarcity: Scarcity,
    /// What is dropped when the state is unlocked.
    remains: Remains,
}

/// How a core stops.
#[derive(Clone, Copy, Debug)]
enum Closing {
    /// After everything queued has run.
    Drain,
    /// Running calls may go on until this time, then they are killed.
    Now {
        /// Monotonic nanoseconds.
        kill_at_ns: u64,
    },
}

impl Core {
    /// A core without workers, and its threads.
    ///
    /// # Errors
    /// No descriptors, threads or memory are left.
    pub(crate) fn start(config: Config) -> io::Result<(Arc<Self>, Threads)> {
        let inbox = Inbox::new().map_err(shortage::explain_start)?;
        let arena = Shared::new(config.arena_bytes);
        let core = Arc::new(Self {
            config,
            state: Mutex::new(State { next_check_ns: u64::MAX, ..State::default() }),
            ended: Condvar::new(),
            alarm: Alarm::new().map_err(shortage::explain_start)?,
            lifeline: Lifeline::new().map_err(shortage::explain_start)?,
            spare: Spare::default(),
            inbox,
            desk: Arc::default(),
            arena,
        });
        let supervisor = core.start_thread("supervisor", supervise::run)?;
        let receiver = core.start_thread("receiver", receive::run);
        let receiver = match receiver {
            Ok(receiver) => receiver,
            Err(error) => {
                core.close(false);
                drop(supervisor.join());
                return Err(error);
            }
        };
        Ok((core, Threads(vec![supervisor, receiver])))
    }

    /// Who calls callbacks.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        self.desk.open(&self.config.name);
        Arc::clone(&self.desk)
    }

    /// Waits for the callbacks, after the end.
    pub(crate) fn finish_callbacks(&self) {
        self.desk.close();
    }

    /// What it was built with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The ways that are open to an argument.
    pub(crate) fn ways(&self) -> Ways<'_> {
        let max_payload = self.config.max_payload;
        Ways { max_payload, inline: MAX_INLINE, arena: self.arena() }
    }

    /// Takes a call in. It is cancelled at once when the core is closing, and fails when no
    /// worker can be started.
    pub(crate) fn submit(&self, call: Call) {
        self.sweep_buffers();
        let mut settled = Settled::new();
        let mut state = self.lock();
        if state.closing.is_some() {
            settled.push((call, Err(JoinError::Cancelled)));
        } else if let Some(error) = self.refusal(&mut state) {
            settled.push((call, Err(error)));
        } else {
            state.queue.push_back(call);
            self.feed_lightest(&mut state, &mut settled);
            self.wake_sleepers(&mut state);
        }
        self.deliver(state, settled);
    }

    /// Withdraws a call that no worker has started.
    pub(crate) fn cancel(&self, ticket: &Ticket) -> bool {
        let mut settled = Settled::new();
        let mut state = self.lock();
        if ticket.is_queued() {
            let waiters = ticket.settle(Err(JoinError::Cancelled));
            let buried = state.queue.bury_one();
            state.remains.calls.extend(buried);
            state.counters.cancelled += 1;
            let stop_now = state.closing.is_some() && state.is_drained();
            drop(state);
            if stop_now {
                self.alarm.ring();
            }
            if let Ok(waiters) = waiters {
                waiters.wake(ticket);
            }
            return true;
        }
        let call = ticket.place().and_then(|place| state.seats[place.seat].revoke(place));
        let cancelled = call.is_some();
        settled.extend(call.map(|call| (call, Err(JoinError::Cancelled))));
        self.deliver(state, settled);
        cancelled
    }

    /// Kills the worker that executes a call.
    pub(crate) fn kill(&self, ticket: &Ticket) -> bool {
        let mut state = self.lock();
        ticket.place().is_some_and(|place| state.seats[place.seat].doom(place, 0, Doom::Killed))
    }

    /// Whether a worker executes a call.
    pub(crate) fn is_running(&self, ticket: &Ticket) -> bool {
        let state = self.lock();
        ticket.place().is_some_and(|place| state.seats[place.seat].is_running(place))
    }

    /// The worker that has a call.
    pub(crate) fn pid_of(&self, ticket: &Ticket) -> Option<u32> {
        let state = self.lock();
        ticket.place().and_then(|place| state.seats[place.seat].pid())
    }

    /// The process ids of the workers that are alive.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.lock().seats.iter().filter_map(Seat::pid).collect()
    }

    /// Stops: after everything queued has run, or at once. Returns how many calls will not run.
    pub(crate) fn close(&self, drain: bool) -> usize {
        let mut settled = Settled::new();
        let mut state = self.lock();
        if drain {
            state.closing.get_or_insert(Closing::Drain);
        } else {
            settled = state.withdraw(clock::after_ns(self.config.grace));
        }
        let unrun = settled.iter().map(|(call, _outcome)| usize::from(call.items())).sum();
        self.deliver(state, settled);
        self.alarm.ring();
        unrun
    }

    /// Ctrl-C: the first one closes, the next one kills, also what somebody else has closed. False
    /// when there is nothing more to do.
    pub(crate) fn interrupt(&self) -> bool {
        let mut state = self.lock();
        let now_ns = clock::now_ns();
        let (closing, ended) = (state.closing, state.ended);
        match closing {
            None => {
                drop(state);
                self.close(true);
                true
            }
            Some(Closing::Now { kill_at_ns }) if kill_at_ns <= now_ns => false,
            Some(_) if ended => false,
            Some(_) => {
                let settled = state.withdraw(now_ns);
                self.deliver(state, settled);
                self.alarm.ring();
                true
            }
        }
    }

    /// True once no calls are taken any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing.is_some()
    }

    /// Waits until the last worker of a closing core is gone.
    pub(crate) fn wait_until_ended(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.ended {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The state. No user code runs under this lock; a panic in our own would be a bug that
    /// must not also hang everybody else.
    fn lock(&self) -> Locked<'_> {
        Locked::new(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Cancels what no worker has started; what runs may go on until then.
    fn withdraw(&mut self, kill_at_ns: u64) -> Settled {
        self.closing = Some(Closing::Now { kill_at_ns });
        let mut calls = self.queue.take_all(&mut self.remains);
        for (index, seat) in self.seats.iter_mut().enumerate() {
            calls.extend(seat.revoke_all(index));
            calls.extend(seat.own.take());
        }
        calls.into_iter().map(|call| (call, Err(JoinError::Cancelled))).collect()
    }

    /// True when no call is queued or in flight.
    fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.seats.iter().all(|seat| seat.load() == 0)
    }
}
