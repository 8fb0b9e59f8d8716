//! Items of a map that were taken from its iterator and wait for more to travel with.
//!
//! Whoever consumes a map takes its items, and that can take for ever: the iterator may wait for
//! something that an item before has to bring about. So items never wait in a place that only the
//! consumer can reach. They lie in a *tray*, which is locked except while the iterator is asked, and
//! the supervisor sends off what has been in one for [`STALE`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::arena::freight::{Brings, Freight};
use crate::arena::places::{self, Brought};
use crate::call::{Argument, Call, Code};
use crate::clock;
use crate::harvest::{Harvest, Portion};
use crate::items::Encoder;
use crate::options::CallOptions;
use crate::scope::Luggage;
use crate::target::Target;

/// After this time items wait no longer for others.
pub(crate) const STALE: Duration = Duration::from_millis(5);

/// The tray of a map.
#[derive(Debug)]
pub(crate) struct Tray {
    /// Where the results go.
    pub(crate) harvest: Arc<Harvest>,
    /// What is called.
    pub(crate) code: Code,
    /// The items.
    contents: Mutex<Contents>,
}

/// What is in a tray.
#[derive(Debug)]
pub(crate) struct Contents {
    /// The encoded items.
    pub(crate) encoder: Encoder,
    /// What each of them brings, up to the last one that brings something.
    brings: Vec<Brings>,
    /// The number of the first of them.
    first: u64,
    /// Since when that one waits.
    since_ns: u64,
    /// How they are to be called.
    pub(crate) options: CallOptions,
    /// True while the supervisor looks at the tray from time to time.
    attended: bool,
}

/// What a look at a tray found.
#[derive(Debug)]
pub(crate) enum Look {
    /// Nothing is in it; it need not be looked at until it is announced again.
    Empty,
    /// Something is, and will be stale at this time unless it is sent before.
    Fresh(u64),
    /// This is to be sent.
    Stale(Call),
}

impl Tray {
    /// An empty one.
    pub(crate) fn new(harvest: Arc<Harvest>, code: Code, options: CallOptions) -> Arc<Self> {
        let contents = Contents {
            encoder: Encoder::default(),
            brings: Vec::new(),
            first: 0,
            since_ns: 0,
            options,
            attended: false,
        };
        Arc::new(Self { harvest, code, contents: Mutex::new(contents) })
    }

    /// Its contents. Held while an item is encoded, which is user code, so that a panic may leave
    /// half an item, which the encoder knows how to drop.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the items out, as a call.
    pub(crate) fn empty(&self) -> Option<Call> {
        self.call_of(&mut self.lock())
    }

    /// A call of one item that travels alone.
    pub(crate) fn single(
        &self,
        number: u64,
        argument: Argument,
        luggage: Luggage,
        brought: Brought,
    ) -> Call {
        let options = self.lock().options;
        let mut portion = Portion::new(&self.harvest, number);
        if !luggage.keepers.is_empty() {
            portion.keepers = Some(Arc::new(Mutex::new(luggage.keepers)));
        }
        let call = self.call(portion, argument, options);
        Call { handles: luggage.handles, brought, ..call }
    }

    /// Supervisor: looks at it, without waiting for anybody.
    pub(crate) fn look(&self, now_ns: u64) -> Look {
        let mut contents = match self.contents.try_lock() {
            Ok(contents) => contents,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It is being filled.
            Err(TryLockError::WouldBlock) => return Look::Fresh(later(now_ns)),
        };
        if contents.encoder.count() == 0 {
            contents.attended = false;
            return Look::Empty;
        }
        let due_ns = later(contents.since_ns);
        if due_ns > now_ns {
            return Look::Fresh(due_ns);
        }
        self.call_of(&mut contents).map_or(Look::Empty, Look::Stale)
    }

    /// Takes the items out.
    fn call_of(&self, contents: &mut Contents) -> Option<Call> {
        let first = contents.first;
        let items = contents.encoder.finish()?;
        let freight = Freight::new(first, std::mem::take(&mut contents.brings));
        let portion = Portion { freight, ..Portion::new(&self.harvest, first) };
        Some(self.call(portion, Argument::Items(items), contents.options))
    }

    /// A call of the map's function, with which nothing travels.
    fn call(&self, portion: Portion, argument: Argument, options: CallOptions) -> Call {
        let target = Target::Items(portion);
        let (brought, handles) = (Brought::Nothing, Vec::new());
        let (timeout, retry) = (options.timeout, options.retry);
        let (code, turned_away) = (self.code, 0);
        Call { target, code, argument, brought, handles, timeout, retry, turned_away }
    }
}

impl Contents {
    /// Keeps the item that was tried, whose number this is, and what it brings. True when it waits for
    /// others, and the supervisor is to be told of that.
    pub(crate) fn keep(&mut self, number: u64, others: bool, brings: Brings) -> bool {
        let index = self.encoder.count();
        let begins = index == 0;
        if brings.is_nothing() {
            self.encoder.keep();
        } else {
            self.encoder.extend_tried(|bytes| places::append_list(bytes, brings.as_slice()));
            self.encoder.keep_listed();
            self.brings.resize_with(index.into(), Brings::default);
            self.brings.push(brings);
        }
        if begins {
            (self.first, self.since_ns) = (number, clock::now_ns());
        }
        begins && others && !std::mem::replace(&mut self.attended, true)
    }
}

/// When items are stale that wait since then.
fn later(since_ns: u64) -> u64 {
    since_ns.saturating_add(clock::to_ns(STALE))
}
