//! Buffers that workers use: who still reads a block when nobody in the parent does.
//!
//! A [buffer](crate::Buffer) may outlive the call that brought it: user code in a worker can store
//! it. So a worker *holds* the buffers that it has, in words of its own segment which the parent
//! reads:
//!
//! | word | set by | meaning |
//! |---|---|---|
//! | 0 | worker, when its last handle of the buffer is dropped | the place is free |
//! | a key | worker, while a call that brings the buffer runs | the worker may read it |
//!
//! The parent has a buffer's block until the last of its own handles is dropped, and those of the
//! calls that it travels with. Until then no worker's word matters. A call ends after its worker has
//! set the word, and its end is what makes the parent drop the handle: so when the last one is
//! dropped, the words say who reads the block from now on, and nobody new can come. If there is
//! somebody, the block *lingers*: the words are looked at again whenever a block is given out, an
//! answer comes, or a worker is buried. The words of a dead worker do not count: it is taken off the
//! list of readers after it was reaped.
//!
//! A worker that has no word left makes a copy instead.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::life::Home;
use crate::results::HOLDS_WORD;
use crate::segment::{Segment, SegmentId};

use super::{Block, Steady, window};

/// How many buffers a worker may hold.
pub(crate) const HOLDS: usize = 256;

/// The parent's side: who reads the arena, and what they keep from being free.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    /// Readers and what lingers.
    inner: Mutex<Inner>,
    /// How many blocks linger; so that mostly nobody has to look.
    lingering: AtomicUsize,
}

/// What is behind the lock.
#[derive(Debug, Default)]
struct Inner {
    /// The segments of the workers that are not reaped.
    segments: Vec<Arc<Segment>>,
    /// Blocks of buffers without handles in the parent, by their keys.
    blocks: Vec<(u64, Block)>,
}

impl Readers {
    /// A worker is started.
    pub(crate) fn add(&self, segment: &Arc<Segment>) {
        self.lock().segments.push(Arc::clone(segment));
    }

    /// A worker was reaped. What only it has held is found by the next [sweep](Self::sweep).
    pub(crate) fn remove(&self, id: SegmentId) {
        let mut inner = self.lock();
        let gone: Vec<_> = inner.segments.extract_if(.., |segment| segment.id() == id).collect();
        drop(inner);
        drop(gone);
    }

    /// Nobody in the parent has the buffers with these keys any more.
    pub(super) fn retire(&self, blocks: impl IntoIterator<Item = (u64, Block)>) {
        let mut inner = self.lock();
        let held = inner.held();
        let (linger, free): (Vec<_>, Vec<_>) =
            blocks.into_iter().partition(|(key, _)| held.binary_search(key).is_ok());
        if !linger.is_empty() {
            inner.blocks.extend(linger);
            self.lingering.store(inner.blocks.len(), Ordering::Relaxed);
        }
        drop(inner);
        drop(free);
    }

    /// Frees what nobody holds any more.
    #[inline]
    pub(crate) fn sweep(&self) {
        if self.lingering.load(Ordering::Relaxed) > 0 {
            self.look();
        }
    }

    /// As [`sweep`](Self::sweep), when something lingers.
    #[inline(never)]
    fn look(&self) {
        let mut inner = self.lock();
        let (all, held) = (std::mem::take(&mut inner.blocks), inner.held());
        let (linger, free): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(key, _)| held.binary_search(key).is_ok());
        inner.blocks = linger;
        self.lingering.store(inner.blocks.len(), Ordering::Relaxed);
        drop(inner);
        drop(free);
    }

    /// Readers and blocks; no user code runs under this lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The keys of the buffers that workers hold, in their order.
    fn held(&self) -> Vec<u64> {
        let words = |segment: &Arc<Segment>| {
            let segment = Arc::clone(segment);
            let word = move |index| segment.atomic_u64(HOLDS_WORD + index).load(Ordering::Acquire);
            (0..HOLDS).map(word).filter(|&key| key != 0)
        };
        let mut held: Vec<_> = self.segments.iter().flat_map(words).collect();
        held.sort_unstable();
        held
    }
}

/// The worker's side: a buffer that it holds until the last handle is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    /// Its key.
    key: u64,
    /// The index of its word.
    index: usize,
    /// The bytes.
    bytes: Steady,
    /// The process that holds it: not one that was forked by it.
    home: Home,
}

impl Hold {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The buffers that this worker holds.
#[derive(Debug)]
struct Held {
    /// Where the words are.
    segment: Arc<Segment>,
    /// By key.
    by_key: Mutex<HashMap<u64, Weak<Hold>>>,
}

/// Those of this process, if it is a worker with an arena.
static HELD: OnceLock<Held> = OnceLock::new();

/// The segment of this worker, with its claim board.
#[cfg(test)]
pub(crate) fn own_segment() -> Arc<Segment> {
    Arc::clone(&HELD.get().expect("a worker of a pool with an arena").segment)
}

/// From now on this worker can hold buffers.
pub(crate) fn open(segment: &Arc<Segment>) {
    let new = || Held { segment: Arc::clone(segment), by_key: Mutex::default() };
    HELD.get_or_init(new);
}

/// Holds the buffer with this key, which lies there, as the call [lists](super::places) that is being
/// decoded. None when no word is left for it: the bytes are [to be copied](glance) then.
///
/// # Errors
/// It is not in this worker's arena, as a sentence.
pub(crate) fn hold(key: u64, at: u64, len: u64) -> Result<Option<Arc<Hold>>, String> {
    let bytes = glance(at, len)?;
    if key == 0 {
        return Err(format!("{len} bytes at {at} have no key"));
    }
    let worker = HELD.get().ok_or("buffers cannot be held in this process")?;
    let mut by_key = worker.by_key.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = by_key.get(&key).and_then(Weak::upgrade) {
        return Ok(Some(known));
    }
    // A word that is being given up by another thread of this worker is not free before that.
    let word = |index: usize| worker.segment.atomic_u64(HOLDS_WORD + index);
    let Some(index) = (0..HOLDS).find(|index| word(*index).load(Ordering::Relaxed) == 0) else {
        return Ok(None);
    };
    word(index).store(key, Ordering::Release);
    let hold = Arc::new(Hold { key, index, bytes, home: Home::here() });
    by_key.insert(key, Arc::downgrade(&hold));
    Ok(Some(hold))
}

/// The bytes there, for as long as the call lasts that brings them.
///
/// # Errors
/// As [`hold`].
pub(crate) fn glance(at: u64, len: u64) -> Result<Steady, String> {
    let window = window().ok_or("this worker does not see the arena of its pool")?;
    window.payload(at, len)
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(worker) = HELD.get().filter(|_| self.home.is_here()) else { return };
        let mut by_key = worker.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(entry) = by_key.entry(self.key)
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
        // Each hold has a word of its own, also when another one has the same key by now.
        worker.segment.atomic_u64(HOLDS_WORD + self.index).store(0, Ordering::Release);
    }
}
