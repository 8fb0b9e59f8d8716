//! What all bounded queues can do.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A bounded queue with blocking ends.
pub(crate) trait Fifo: 'static {
    /// What contenders that use it are called.
    const NAME: &'static str;
    /// The end that values go into.
    type Put: Send;
    /// The end that values come out of.
    type Get: Send;

    /// A queue of this capacity, with one end for each producer and one for each consumer.
    fn ends(
        capacity: usize,
        producers: usize,
        consumers: usize,
    ) -> (Vec<Self::Put>, Vec<Self::Get>);

    /// Puts a value; waits for a place.
    fn put(end: &Self::Put, value: u64);

    /// Gets a value; waits for one. `None` when the queue is closed and empty.
    fn get(end: &Self::Get) -> Option<u64>;

    /// Closes the queue when all producers are done. Channels do so when the last sender is
    /// dropped.
    fn close(ends: Vec<Self::Put>) {
        drop(ends);
    }
}

/// Ours.
#[derive(Debug)]
pub(crate) struct Ours;

/// That of the crate `crossbeam-channel`.
#[derive(Debug)]
pub(crate) struct Crossbeam;

/// That of the crate `kanal`.
#[derive(Debug)]
pub(crate) struct Kanal;

/// That of `std`, which has one consumer.
#[derive(Debug)]
pub(crate) struct Std;

impl Fifo for Ours {
    const NAME: &'static str = "threads";
    type Put = threads::Queue<u64>;
    type Get = threads::Queue<u64>;

    fn ends(
        capacity: usize,
        producers: usize,
        consumers: usize,
    ) -> (Vec<Self::Put>, Vec<Self::Get>) {
        let queue = threads::Queue::bounded(capacity).expect("the capacity is not zero");
        (vec![queue.clone(); producers], vec![queue; consumers])
    }

    #[inline]
    fn put(end: &Self::Put, value: u64) {
        end.put(value).expect("it is not shut down");
    }

    #[inline]
    fn get(end: &Self::Get) -> Option<u64> {
        end.get().ok()
    }

    fn close(ends: Vec<Self::Put>) {
        ends.first().expect("there is a producer").shutdown();
    }
}

impl Fifo for Crossbeam {
    const NAME: &'static str = "crossbeam-channel";
    type Put = crossbeam_channel::Sender<u64>;
    type Get = crossbeam_channel::Receiver<u64>;

    fn ends(
        capacity: usize,
        producers: usize,
        consumers: usize,
    ) -> (Vec<Self::Put>, Vec<Self::Get>) {
        let (put, get) = crossbeam_channel::bounded(capacity);
        (vec![put; producers], vec![get; consumers])
    }

    #[inline]
    fn put(end: &Self::Put, value: u64) {
        end.send(value).expect("there are receivers");
    }

    #[inline]
    fn get(end: &Self::Get) -> Option<u64> {
        end.recv().ok()
    }
}

impl Fifo for Kanal {
    const NAME: &'static str = "kanal";
    type Put = kanal::Sender<u64>;
    type Get = kanal::Receiver<u64>;

    fn ends(
        capacity: usize,
        producers: usize,
        consumers: usize,
    ) -> (Vec<Self::Put>, Vec<Self::Get>) {
        let (put, get) = kanal::bounded(capacity);
        (vec![put; producers], vec![get; consumers])
    }

    #[inline]
    fn put(end: &Self::Put, value: u64) {
        end.send(value).expect("there are receivers");
    }

    #[inline]
    fn get(end: &Self::Get) -> Option<u64> {
        end.recv().ok()
    }
}

impl Fifo for Std {
    const NAME: &'static str = "std-sync-channel";
    type Put = SyncSender<u64>;
    type Get = Receiver<u64>;

    fn ends(
        capacity: usize,
        producers: usize,
        consumers: usize,
    ) -> (Vec<Self::Put>, Vec<Self::Get>) {
        assert_eq!(consumers, 1, "its receiver cannot be cloned");
        let (put, get) = sync_channel(capacity);
        (vec![put; producers], vec![get])
    }

    #[inline]
    fn put(end: &Self::Put, value: u64) {
        end.send(value).expect("there is a receiver");
    }

    #[inline]
    fn get(end: &Self::Get) -> Option<u64> {
        end.recv().ok()
    }
}
