//! How the items of a map become calls: many short ones together, a bounded number ahead.

use std::iter::Fuse;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arena::places::Brought;
use crate::call::{Argument, Call, Code, refused};
use crate::codec;
use crate::error::JoinError;
use crate::frame::{MAX_INLINE, MAX_ITEM};
use crate::harvest::{Harvest, Piece, Timing};
use crate::options::CallOptions;
use crate::pace::Pace;
use crate::pool::Pool;
use crate::scope::{self, Luggage};
use crate::tray::Tray;

/// Takes items from an iterator and sends them.
pub(crate) struct Feed<'p, I: Iterator, R> {
    /// Where the calls go.
    pool: &'p Pool,
    /// Items that were not taken.
    items: Fuse<I>,
    /// Where results come in.
    pub(crate) harvest: Arc<Harvest>,
    /// Items that were taken and not sent; none when the function cannot be called in a worker.
    tray: Result<Arc<Tray>, JoinError>,
    /// How many items go together.
    pace: Pace,
    /// How many items were taken.
    taken: u64,
    /// How many of them ended here, because they could not be encoded.
    failed: u64,
    /// How many results were given to the user.
    pub(crate) consumed: u64,
    /// True when the iterator has no more items.
    exhausted: bool,
    /// True while a frame is being filled: also afterwards, if the iterator panicked.
    filling: bool,
    /// True when the last item was too long to travel with others.
    alone: bool,
    /// The function's result.
    result: PhantomData<fn() -> R>,
}

impl<'p, I: Iterator, R> Feed<'p, I, R>
where
    I::Item: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    /// Nothing is taken yet.
    pub(crate) fn new(pool: &'p Pool, function: fn(I::Item) -> R, items: I) -> Self {
        let harvest = Arc::new(Harvest::default());
        let mut options = CallOptions::new();
        options.timeout = pool.engine().call_timeout();
        let tray = Code::of(function).map(|code| Tray::new(Arc::clone(&harvest), code, options));
        Self {
            pool,
            items: items.fuse(),
            harvest,
            tray,
            pace: Pace::new(pool.engine().width()),
            taken: 0,
            failed: 0,
            consumed: 0,
            exhausted: false,
            filling: false,
            alone: false,
            result: PhantomData,
        }
    }
}

impl<I: Iterator, R> Feed<'_, I, R> {
    /// At most so many items are taken ahead of what was consumed; at least 1.
    pub(crate) fn limit(&mut self, buffer: usize) {
        self.pace.limit(buffer);
    }

    /// What the calls ask for, from now on.
    pub(crate) fn set_options(&mut self, mut options: CallOptions) {
        options.timeout = options.timeout.or(self.pool.engine().call_timeout());
        if let Ok(tray) = &self.tray {
            tray.lock().options = options;
        }
    }

    /// Learns how long items took.
    pub(crate) fn learn(&mut self, timing: Option<Timing>) {
        if let Some(timing) = timing {
            self.pace.learn(timing);
        }
    }

    /// How many items were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many results are still to come.
    pub(crate) fn size_hint(&self) -> (usize, Option<usize>) {
        let ahead = usize::try_from(self.taken - self.consumed).unwrap_or(usize::MAX);
        let (least, most) = self.items.size_hint();
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }

    /// Items that were taken and have not ended.
    fn on_the_way(&self) -> u64 {
        self.taken - self.failed - self.harvest.ended()
    }

    /// For `Debug`.
    pub(crate) fn describe(&self, f: &mut std::fmt::DebugStruct<'_, '_>) {
        f.field("taken", &self.taken)
            .field("consumed", &self.consumed)
            .field("buffer", &self.pace.buffer());
    }

    /// The map is gone: what has not started is cancelled.
    pub(crate) fn abandon(&self) {
        // A copy in a child that was forked must not take back what the parent waits for.
        if self.on_the_way() > 0 && self.pool.is_here() {
            self.pool.engine().abandon(&self.harvest);
        }
    }
}

impl<I, R> Feed<'_, I, R>
where
    I: Iterator,
    I::Item: Serialize,
{
    /// Sends as many items as should be under way; those that cannot be sent fail into `pieces`.
    #[inline]
    pub(crate) fn feed(&mut self, pieces: &mut Vec<Piece>) {
        if !self.exhausted && self.pace.may_send(self.on_the_way(), self.taken - self.consumed) {
            self.send_frames(pieces);
        }
    }

    /// Fills frames and sends them.
    #[inline(never)]
    fn send_frames(&mut self, pieces: &mut Vec<Piece>) {
        if std::mem::replace(&mut self.filling, true) {
            // The iterator, or the encoding of an item, has panicked.
            self.flush();
        }
        while !self.exhausted && self.pace.may_send(self.on_the_way(), self.taken - self.consumed) {
            let left = self.items.size_hint().1.and_then(|left| u64::try_from(left).ok());
            self.fill(self.pace.next_frame(left), pieces);
            self.flush();
        }
        self.filling = false;
    }

    /// Takes up to `size` items.
    fn fill(&mut self, size: u64, pieces: &mut Vec<Piece>) {
        for _ in 0..size {
            let Some(item) = self.items.next() else {
                self.exhausted = true;
                return;
            };
            let number = self.taken;
            if let Err(error) = self.put(number, &item, size > 1) {
                // The items of a frame have numbers in a row.
                self.flush();
                self.failed += 1;
                pieces.push(Piece::One(number, Box::new(Err(error))));
            }
            self.taken += 1;
        }
    }

    /// Puts an item where it can be sent from.
    ///
    /// # Errors
    /// It cannot be sent.
    #[inline]
    fn put(&mut self, number: u64, item: &I::Item, others: bool) -> Result<(), JoinError> {
        let tray = self.tray.as_ref().map_err(Clone::clone)?;
        if self.alone {
            return self.put_alone(number, item);
        }
        let arena = self.pool.engine().ways().arena;
        let mut contents = tray.lock();
        let before = contents.encoder.len();
        let (encoded, mut luggage) = contents
            .encoder
            .try_item(|bytes| scope::encoding_argument(arena, || codec::encode_into(item, bytes)));
        encoded.map_err(refused)?;
        let length = contents.encoder.tried();
        if luggage.is_empty()
            && length <= MAX_ITEM
            && before + length + crate::frame::ITEM_PREFIX <= MAX_INLINE
        {
            let announce = contents.keep(number, others);
            drop(contents);
            if announce {
                self.pool.engine().attend(tray);
            }
            return Ok(());
        }
        let bytes = contents.encoder.take_tried();
        drop(contents);
        self.flush();
        self.alone = length > MAX_ITEM;
        self.pace.weigh(length);
        let brought = luggage.brought();
        let argument = Argument::of(bytes, &brought, self.pool.engine().ways())?;
        self.submit_alone(number, argument, luggage, brought)
    }

    /// Encodes and sends an item that is probably long.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    fn put_alone(&mut self, number: u64, item: &I::Item) -> Result<(), JoinError> {
        let (argument, luggage, brought) = Argument::encode(item, self.pool.engine().ways())?;
        self.alone = argument.is_long();
        self.pace.weigh(argument.len());
        self.submit_alone(number, argument, luggage, brought)
    }

    /// Sends an item without others.
    ///
    /// # Errors
    /// The function cannot be called in a worker.
    fn submit_alone(
        &self,
        number: u64,
        argument: Argument,
        luggage: Luggage,
        brought: Brought,
    ) -> Result<(), JoinError> {
        let tray = self.tray.as_ref().map_err(Clone::clone)?;
        self.pool.engine().submit(tray.single(number, argument, luggage, brought));
        Ok(())
    }

    /// Sends what is in the tray.
    fn flush(&self) {
        let call: Option<Call> = self.tray.as_ref().ok().and_then(|tray| tray.empty());
        if let Some(call) = call {
            self.pool.engine().submit(call);
        }
    }
}
