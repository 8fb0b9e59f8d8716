//! What has come to a worker ahead of the calls that need it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::segment::{Segment, SegmentId, is_freezable};

/// How long a worker waits for a descriptor that was sent ahead of its frame. It is already in
/// the socket when the frame arrives, so this only ends a wait on a broken peer.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it waits for what was lost before, and may be on its way once more.
const AGAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// Why something did not arrive.
pub(crate) const NO_DESCRIPTOR: &str = "no descriptor was left for it in the worker, or no memory";

/// What came through this worker's control socket. Empty and unused in a program that is no
/// worker.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Segments and payloads by id.
    table: Mutex<Table>,
    /// Signalled at every arrival.
    arrived: Condvar,
}

/// A shared object as it is kept.
#[derive(Debug)]
enum Arrived {
    /// Mapped.
    Mapped(Arc<Segment>),
    /// To be mapped whenever a call uses it: as long as it is, nobody can freeze it.
    Unmapped(OwnedFd),
}

impl Arrived {
    /// The mapping. None when the descriptor cannot be mapped.
    fn segment(&self, id: SegmentId) -> Option<Arc<Segment>> {
        match self {
            Self::Mapped(segment) => Some(Arc::clone(segment)),
            Self::Unmapped(fd) => Segment::adopt(id, fd.try_clone().ok()?).ok(),
        }
    }
}

/// The two kinds of arrivals.
#[derive(Debug, Default)]
struct Table {
    /// False in a program that is no worker: there is nothing to wait for.
    open: bool,
    /// Shared objects; kept until the parent forgets them.
    segments: HashMap<SegmentId, Arrived>,
    /// Large arguments; each is taken once.
    payloads: HashMap<SegmentId, OwnedFd>,
    /// What this process had no descriptor for when it came. A payload is asked for once. A shared object
    /// may come again, so here is whether a call has been told of the loss: what a later one finds may be
    /// older than what was sent ahead of it.
    lost: HashMap<SegmentId, bool>,
}

/// This process's arrivals.
pub(crate) fn arrivals() -> &'static Arrivals {
    static ARRIVALS: LazyLock<Arrivals> = LazyLock::new(Arrivals::default);
    &ARRIVALS
}

impl Arrivals {
    /// From now on lookups wait for what was sent ahead.
    pub(crate) fn open(&self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).open = true;
    }

    /// A shared object arrived.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub(crate) fn add_segment(&self, id: SegmentId, fd: OwnedFd) -> io::Result<()> {
        let arrived = if is_freezable(fd.as_fd()) {
            Arrived::Unmapped(fd)
        } else {
            Arrived::Mapped(Segment::adopt(id, fd)?)
        };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // It may come once more, because there was no descriptor for it before.
        table.lost.remove(&id);
        let before = table.segments.insert(id, arrived);
        drop(table);
        drop(before);
        self.arrived.notify_all();
        Ok(())
    }

    /// A large argument arrived.
    pub(crate) fn add_payload(&self, id: SegmentId, fd: OwnedFd) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).payloads.insert(id, fd);
        self.arrived.notify_all();
    }

    /// Something arrived, but this process had no descriptor left for it, or cannot map it.
    pub(crate) fn lose(&self, id: SegmentId) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).lost.insert(id, false);
        self.arrived.notify_all();
    }

    /// The parent holds no handle any more; those that user code stored here keep the memory.
    pub(crate) fn forget(&self, id: SegmentId) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.lost.remove(&id);
        let gone = table.segments.remove(&id);
        drop(table);
        drop(gone);
    }

    /// Takes a large argument, waiting for it if it is still on its way.
    ///
    /// # Errors
    /// It did not come, as a sentence.
    pub(crate) fn payload(&self, id: SegmentId) -> Result<OwnedFd, &'static str> {
        let found = self.wait(ARRIVAL_TIMEOUT, |table| {
            let payload = table.payloads.remove(&id).map(Ok);
            payload.or_else(|| table.lost.remove(&id).map(|_told| Err(NO_DESCRIPTOR)))
        });
        found.unwrap_or(Err("it did not arrive"))
    }

    /// A shared object, waiting for it if it is still on its way.
    ///
    /// # Errors
    /// It did not come, as a sentence.
    pub(super) fn segment(&self, id: SegmentId) -> Result<Arc<Segment>, &'static str> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let was_lost = table.lost.get(&id) == Some(&true);
        drop(table);
        let limit = if was_lost { AGAIN_TIMEOUT } else { ARRIVAL_TIMEOUT };
        let found = self.wait(limit, |table| {
            if let Some(arrived) = table.segments.get(&id) {
                return Some(arrived.segment(id));
            }
            let told = table.lost.get_mut(&id)?;
            (!std::mem::replace(told, true)).then_some(None)
        });
        match found {
            Some(segment) => segment.ok_or(NO_DESCRIPTOR),
            None if was_lost => Err(NO_DESCRIPTOR),
            None => Err("the memory of a shared object is not known here"),
        }
    }

    /// Did this segment come from the parent?
    pub(super) fn contains(&self, id: SegmentId) -> bool {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).segments.contains_key(&id)
    }

    /// Waits until `find` finds something, at most `limit`.
    fn wait<T>(&self, limit: Duration, mut find: impl FnMut(&mut Table) -> Option<T>) -> Option<T> {
        let mut found = None;
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let (table, _timeout) = self
            .arrived
            .wait_timeout_while(table, limit, |table| {
                found = find(table);
                found.is_none() && table.open
            })
            .unwrap_or_else(PoisonError::into_inner);
        drop(table);
        found
    }
}
