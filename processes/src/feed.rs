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
use crate::frame::{ITEM_PREFIX, MAX_INLINE, MAX_ITEM};
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
    /// Bytes of the arena that only items need which came into the tray since frames were weighed.
    own_bytes: usize,
    /// How many items these are, with those that need none.
    framed: usize,
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
            own_bytes: 0,
            framed: 0,
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
            self.weigh_frame();
        }
        while !self.exhausted && self.pace.may_send(self.on_the_way(), self.taken - self.consumed) {
            let left = self.items.size_hint().1.and_then(|left| u64::try_from(left).ok());
            self.fill(self.pace.next_frame(left), pieces);
            self.flush();
            self.weigh_frame();
        }
        self.filling = false;
    }

    /// How many items may be on the way depends on what those of the last frame need for themselves, each
    /// on the average: one that needs much says little about plain ones after it, and the last one of
    /// a frame little about those before it. Those that went alone were weighed then.
    fn weigh_frame(&mut self) {
        if let Some(each) = self.own_bytes.checked_div(self.framed) {
            self.pace.weigh(each);
        }
        (self.own_bytes, self.framed) = (0, 0);
    }

    /// Takes up to `size` items, fewer when they need much memory.
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
            if Pace::is_full(self.own_bytes) {
                return;
            }
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
        let (encoded, mut luggage) = contents
            .encoder
            .try_item(|bytes| scope::encoding_argument(arena, || codec::encode_into(item, bytes)));
        encoded.map_err(refused)?;
        let (argument, list) = (contents.encoder.tried(), luggage.list_bytes());
        let length = argument.saturating_add(list);
        if length > MAX_ITEM || !luggage.is_buffers() {
            let bytes = contents.encoder.take_tried();
            drop(contents);
            self.flush();
            self.alone = argument > MAX_ITEM;
            self.pace.weigh(argument);
            let brought = luggage.brought();
            let argument = Argument::of(bytes, &brought, self.pool.engine().ways())?;
            return self.submit_alone(number, argument, luggage, brought);
        }
        if contents.encoder.len() + ITEM_PREFIX + length > MAX_INLINE {
            // It is the first one of the next frame.
            let bytes = contents.encoder.take_tried();
            drop(contents);
            self.flush();
            contents = tray.lock();
            contents.encoder.try_item(|frame| frame.extend_from_slice(&bytes));
        }
        let (brings, own_bytes) = luggage.into_buffers();
        self.own_bytes = self.own_bytes.saturating_add(own_bytes);
        self.framed += 1;
        let announce = contents.keep(number, others, brings);
        drop(contents);
        if announce {
            self.pool.engine().attend(tray);
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Buffer, Queue};

    /// The feed of a map that is not begun. Its items are put as if no others were to come, so that the
    /// supervisor does not look for those that wait, however long this test is held up.
    fn feed<A>(pool: &Pool) -> Feed<'_, std::iter::Empty<A>, ()>
    where
        A: Serialize + DeserializeOwned + 'static,
    {
        Feed::new(pool, |_: A| (), std::iter::empty())
    }

    /// A buffer.
    fn buffer(pool: &Pool, len: usize) -> Buffer {
        pool.buffer(len).unwrap().freeze()
    }

    /// How many items wait in the tray.
    fn waiting<I: Iterator>(feed: &Feed<'_, I, ()>) -> u16 {
        feed.tray.as_ref().unwrap().lock().encoder.count()
    }

    #[test]
    fn items_with_buffers_wait_for_each_other_and_those_with_handles_do_not() {
        let pool = Pool::new(1).unwrap();
        let queue = Queue::<u8>::bounded(1).unwrap();
        let mut feed = feed::<(Vec<Buffer>, Option<Queue<u8>>)>(&pool);
        let one = || vec![buffer(&pool, 1)];
        for number in 0..3 {
            feed.put(number, &(one(), None), false).unwrap();
        }
        feed.put(3, &(Vec::new(), None), false).unwrap();
        assert_eq!((waiting(&feed), pool.stats().arena_blocks), (4, 3));
        feed.put(4, &(one(), Some(queue)), false).unwrap();
        assert_eq!(waiting(&feed), 0, "it goes alone, behind the others");
        feed.put(5, &(one(), None), false).unwrap();
        assert_eq!(waiting(&feed), 1);
        // Its list is too long.
        let many = vec![buffer(&pool, 1); 1].into_iter().cycle().take(3);
        feed.put(6, &(many.collect(), None), false).unwrap();
        assert_eq!(waiting(&feed), 2, "each buffer is listed once");
        feed.put(7, &((0..700).map(|_| buffer(&pool, 1)).collect(), None), false).unwrap();
        assert_eq!(waiting(&feed), 0);
    }

    #[test]
    fn what_does_not_fit_is_the_first_of_the_next_frame() {
        let pool = Pool::new(1).unwrap();
        let mut feed = feed::<(Vec<u8>, Buffer)>(&pool);
        let common = buffer(&pool, 1);
        for number in 0..6 {
            feed.put(number, &(vec![1; 15_000], common.clone()), false).unwrap();
        }
        assert_eq!(waiting(&feed), 2, "four are in the frame that was sent");
    }

    #[test]
    fn what_needs_much_memory_for_itself_fills_a_frame() {
        let pool = Pool::new(2).unwrap();
        let mut feed = feed::<Buffer>(&pool);
        let page = rustix::param::page_size();
        let common = buffer(&pool, 100 * page);
        for number in 0..4 {
            let item = common.clone();
            feed.put(number, &item, false).unwrap();
        }
        assert_eq!(feed.own_bytes, 0, "somebody else has it, too");
        feed.put(4, &buffer(&pool, 1), false).unwrap();
        assert_eq!(feed.own_bytes, page);
        assert!(!Pace::is_full(feed.own_bytes));
        feed.put(5, &buffer(&pool, 2 << 20), false).unwrap();
        assert!(Pace::is_full(feed.own_bytes));
        assert_eq!(feed.framed, 6);
        feed.weigh_frame();
        assert_eq!((feed.own_bytes, feed.framed), (0, 0));
    }

    /// After items of 100 ns.
    fn quick(pace: &mut Pace) {
        while pace.next_frame(None) < 5_000 {
            let count = u16::try_from(pace.next_frame(None)).unwrap();
            pace.learn(Timing { count, taken_ns: 100 * u64::from(count) });
        }
    }

    #[test]
    fn one_that_needs_much_memory_does_not_part_the_plain_ones_after_it() {
        let pool = Pool::new(1).unwrap();
        let much = Some(buffer(&pool, 4 << 20));
        let items = std::iter::once(much).chain(std::iter::repeat_n(None, 100_000));
        let mut feed = Feed::new(&pool, |_: Option<Buffer>| (), items);
        quick(&mut feed.pace);
        let mut pieces = Vec::new();
        feed.feed(&mut pieces);
        assert_eq!(pieces.len(), 0);
        // One frame with the first item, one as if all were like that, and then those of plain ones.
        assert_eq!(feed.pace.next_frame(None), 5_000);
        assert!(feed.taken() > 5_000, "{}", feed.taken());
        feed.abandon();
    }

    #[test]
    fn a_frame_weighs_what_its_items_do_together_whichever_is_the_last() {
        let pool = Pool::new(1).unwrap();
        for heavy in 0..4 {
            let mut feed = feed::<Option<Buffer>>(&pool);
            quick(&mut feed.pace);
            for number in 0..4 {
                let item = (number == heavy).then(|| buffer(&pool, 2 << 20));
                feed.put(number, &item, false).unwrap();
            }
            feed.flush();
            feed.weigh_frame();
            // Eight of half a MiB may be on the way, in three frames.
            assert_eq!(feed.pace.next_frame(None), 2, "{heavy}");
        }
    }
}
