//! Queues between threads: one protocol of waiting ([`core`], [`gate`]), three orders.
//!
//! | order | store |
//! |---|---|
//! | first in, first out, capacity known and not too large | [`ring`]: no mutex |
//! | first in, first out, any other capacity; last in; smallest | [`locked`]: one mutex |
//!
//! One mutex for all was behind crossbeam's channel at 64 and 1,024 places, two mutexes were
//! behind the ring, and the ring is ahead of both (`cargo xtask bench threads --metric queue`
//! measures it). What speaks against a ring, a thread that spins for ever for one that was
//! interrupted (crossbeam #821, #997), is answered in [`ring`].

mod batch;
mod core;
mod error;
mod fifo;
mod gate;
mod kind;
mod locked;
mod primitives;
#[expect(unsafe_code, reason = "a place of the ring is used by the thread whose turn it is")]
mod ring;
mod storage;
mod store;
mod tasks;
mod waiter;

use self::core::Core;
use crate::deadline::Deadline;
use fifo::Places;
use kind::queue;
use locked::Locked;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;
use storage::{Lifo, Smallest};
use store::{Refused, Store};

pub use error::{GetError, PutError, TaskDoneError};

/// The deadline of a call that waits as long as it takes.
const FOR_EVER: Option<Deadline> = Some(Deadline::Never);

/// The store of a [`LifoQueue`].
type Stack<T> = Locked<Lifo<T>>;
/// The store of a [`PriorityQueue`].
type Heap<T> = Locked<Smallest<T>>;

queue! {
    /// A queue that any number of threads put values into and get them from, first in,
    /// first out.
    ///
    /// A handle: clones are the same queue. It ends by [`shutdown`](Queue::shutdown)
    /// and by nothing else; dropping the producers' handles does not end it.
    ///
    /// ```
    /// let queue = threads::Queue::bounded(2)?;
    /// let producer = threads::spawn(
    ///     |queue: threads::Queue<u32>| {
    ///         for x in 0..10 {
    ///             queue.put(x).expect("nobody shuts it down earlier");
    ///         }
    ///         queue.shutdown();
    ///     },
    ///     queue.clone(),
    /// )?;
    /// assert_eq!(queue.iter().sum::<u32>(), 45);
    /// producer.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What must not leave its thread cannot go through one to another:
    ///
    /// ```compile_fail,E0277
    /// let queue = threads::Queue::<std::rc::Rc<u32>>::bounded(1).unwrap();
    /// std::thread::spawn(move || queue.get());
    /// ```
    ///
    /// # Not promised
    ///
    /// Fairness: a thread that does not wait may be served before one that does. And a bound on
    /// how long a call takes that does not wait, or whose time is over: where a thread was interrupted
    /// in the middle of a put or a get, which takes some nanoseconds, others wait for it.
    Queue, Places, "oldest"
}

queue! {
    /// A [`Queue`] that gives the newest value first.
    ///
    /// ```
    /// let queue = threads::LifoQueue::unbounded()?;
    /// queue.put_many(vec!['a', 'b', 'c']).expect("it is not shut down");
    /// assert_eq!(queue.get_many(2), Ok(vec!['c', 'b']));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    LifoQueue, Stack, "newest"
}

queue! {
    /// A [`Queue`] that gives the smallest value first, and the oldest one of equal ones.
    ///
    /// For the greatest first, put [`std::cmp::Reverse`]. For values without an order, put
    /// them in a type that compares by its priority alone.
    ///
    /// ```
    /// let queue = threads::PriorityQueue::unbounded()?;
    /// queue.put_many(vec![(2, "later"), (1, "soon"), (3, "last")]).expect("it is not shut down");
    /// assert_eq!(queue.get(), Ok((1, "soon")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Comparisons run while the queue is locked: one that uses the queue waits for ever. One
    /// that panics does so in the caller of the method, and the queue goes on: a value that was
    /// being put stays in it, perhaps in a wrong place, and of many those that were not yet put are
    /// dropped; what the caller was getting is dropped, without being reported as done, and while the
    /// queue is locked, so a drop that uses the queue then waits for ever, too.
    PriorityQueue, Heap, "smallest", Ord
}

/// The capacity, if it is one.
fn valid(capacity: usize) -> io::Result<usize> {
    if capacity == 0 {
        let text = "make a queue of capacity 0: ask for at least 1";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(capacity)
}

impl<T> PutError<T> {
    /// The error of a call that does not wait.
    fn full((value, refused): (T, Refused)) -> Self {
        match refused {
            Refused::NotNow => Self::Full(value),
            Refused::ShutDown => Self::ShutDown(value),
        }
    }

    /// The error of a call that waits.
    fn timed_out((value, refused): (T, Refused)) -> Self {
        match refused {
            Refused::NotNow => Self::TimedOut(value),
            Refused::ShutDown => Self::ShutDown(value),
        }
    }
}

impl GetError {
    /// The error of a call that does not wait.
    fn empty(refused: Refused) -> Self {
        match refused {
            Refused::NotNow => Self::Empty,
            Refused::ShutDown => Self::ShutDown,
        }
    }

    /// The error of a call that waits.
    fn timed_out(refused: Refused) -> Self {
        match refused {
            Refused::NotNow => Self::TimedOut,
            Refused::ShutDown => Self::ShutDown,
        }
    }
}

impl<S: Store> Core<S> {
    /// The text for `Debug`. Waits for nobody.
    fn describe(&self, text: &mut fmt::DebugStruct<'_, '_>) -> fmt::Result {
        text.field("capacity", &self.capacity);
        text.field("len", &self.store.hint());
        text.finish_non_exhaustive()
    }
}
