//! The writing side of a connection, and its control.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::current;

/// So much may wait to be sent before the protocol is asked to pause, unless told otherwise.
const HIGH: usize = 64 * 1024;
/// When this is left it may go on.
const LOW: usize = 16 * 1024;

/// How a protocol writes, and controls its connection. Cloning it makes another handle.
///
/// The methods only take notes: what they lead to is done by the task of the connection, later.
#[derive(Clone)]
pub struct Transport {
    shared: Rc<Shared>,
}

/// What handles and the task of the connection share.
pub(super) struct Shared {
    /// Written, but not sent; what the stream is being offered is not in here. Borrowed for moments only, never
    /// while user code runs.
    pub(super) unsent: RefCell<VecDeque<u8>>,
    pub(super) phase: Cell<Phase>,
    /// Nothing more will be written; the other end is told when everything is sent.
    pub(super) eof_asked: Cell<bool>,
    /// Nothing is to be read.
    pub(super) is_reading_paused: Cell<bool>,
    /// Above this the protocol is asked to pause.
    pub(super) high: Cell<usize>,
    /// At or below this it may go on.
    pub(super) low: Cell<usize>,
    /// Wakes the task of the connection.
    task: Cell<Option<Waker>>,
}

/// | phase   | reads | sends           | next                       |
/// |---------|-------|-----------------|----------------------------|
/// | open    | yes   | yes             | closing, aborted, lost     |
/// | closing | no    | what is unsent  | lost; aborted              |
/// | aborted | no    | no              | lost                       |
/// | lost    | no    | no              | -                          |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closing,
    Aborted,
    Lost,
}

impl Transport {
    pub(super) fn new() -> Self {
        let shared = Shared {
            unsent: RefCell::default(),
            phase: Cell::new(Phase::Open),
            eof_asked: Cell::new(false),
            is_reading_paused: Cell::new(false),
            high: Cell::new(HIGH),
            low: Cell::new(LOW),
            task: Cell::new(None),
        };
        Self { shared: Rc::new(shared) }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Sends data, after everything that was written before. Never blocks and never fails: what cannot be
    /// sent yet is kept, see [`Protocol::pause_writing`](super::Protocol::pause_writing). Does nothing
    /// after [`close`](Self::close), [`abort`](Self::abort), [`write_eof`](Self::write_eof), or when the
    /// connection was lost.
    pub fn write(&self, data: &[u8]) {
        if self.shared.phase.get() != Phase::Open || self.shared.eof_asked.get() {
            return;
        }
        self.shared.unsent.borrow_mut().extend(data);
        self.shared.wake();
    }

    /// Tells the other end, after all that was written, that there is no more. Reading goes on. The
    /// connection ends when the other end has said the same.
    pub fn write_eof(&self) {
        self.shared.eof_asked.set(true);
        self.shared.wake();
    }

    /// Ends the connection as soon as all that was written is sent. Nothing is received any more.
    pub fn close(&self) {
        if self.shared.phase.get() == Phase::Open {
            self.shared.phase.set(Phase::Closing);
            self.shared.wake();
        }
    }

    /// Ends the connection. What was not sent yet is dropped.
    pub fn abort(&self) {
        if self.shared.phase.get() != Phase::Lost {
            self.shared.phase.set(Phase::Aborted);
            self.shared.wake();
        }
    }

    /// Receives nothing until [`resume_reading`](Self::resume_reading): the other end will have to wait.
    /// Data that a call of `data_received` has in hand is not taken back.
    pub fn pause_reading(&self) {
        self.shared.is_reading_paused.set(true);
    }

    /// Ends [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&self) {
        self.shared.is_reading_paused.set(false);
        self.shared.wake();
    }

    /// Whether the connection was lost or is about to be closed: writing is in vain.
    pub fn is_closing(&self) -> bool {
        self.shared.phase.get() != Phase::Open
    }

    /// Bytes that were written and not sent.
    pub fn unsent(&self) -> usize {
        self.shared.unsent.borrow().len()
    }

    /// Above `high` unsent bytes the protocol is asked to pause; at `low` or less it may go on.
    /// Default: 65,536 and 16,384.
    ///
    /// # Panics
    ///
    /// When `low` is greater than `high`.
    pub fn set_write_limits(&self, low: usize, high: usize) {
        assert!(low <= high, "writing resumes at {low} bytes, above the limit of {high}");
        self.shared.low.set(low);
        self.shared.high.set(high);
        self.shared.wake();
    }
}

impl Shared {
    /// Has the task of the connection look at what has changed.
    fn wake(&self) {
        if let Some(waker) = self.task.take() {
            current::wake_contained(waker);
        }
    }

    /// The task of the connection waits.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        // Outside of any borrow: dropping the old waker may run anything.
        drop(self.task.replace(Some(cx.waker().clone())));
    }

    /// The task of the connection runs.
    pub(super) fn stop_waiting(&self) {
        drop(self.task.take());
    }

    /// The connection is no more: writes do nothing from here on.
    pub(super) fn lose(&self) {
        self.phase.set(Phase::Lost);
        self.unsent.take();
        drop(self.task.take());
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("phase", &self.shared.phase.get())
            .field("unsent", &self.unsent())
            .finish_non_exhaustive()
    }
}
