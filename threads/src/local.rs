//! A value for each worker.

use crate::deadline::lock;
use crate::pool::Pool;
use crate::worker;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A value for each worker of a pool: a buffer, a connection, a random number
/// generator, a partial sum; from [`Pool::worker_local`].
///
/// A job borrows the value of the worker it runs on. Values are made when they are
/// first needed, and kept until the last clone of this is dropped, or
/// [`take_all`](WorkerLocal::take_all) gives them out. No two jobs ever have the same
/// one at the same time, so none waits for another.
///
/// ```
/// let pool = threads::Pool::new(2)?;
/// let sums = pool.worker_local(|| 0u64);
/// let mine = sums.clone();
/// pool.map(move |x| mine.with(|sum| *sum += x), 1..=100).for_each(drop);
/// assert_eq!(sums.take_all().into_iter().sum::<u64>(), 5050);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkerLocal<T> {
    /// What the clones share.
    values: Arc<Values<T>>,
}

/// What the clones of a [`WorkerLocal`] share.
struct Values<T> {
    /// The number of the pool.
    pool: u64,
    /// Makes a value.
    make: Box<dyn Fn() -> T + Send + Sync>,
    /// By worker: its value, unless there is none or it is in use. Only ever
    /// locked for a moment.
    of_workers: Box<[Mutex<Option<T>>]>,
    /// Values that are not in use and belong to no worker.
    others: Mutex<Vec<T>>,
}

impl<T: Send + 'static> WorkerLocal<T> {
    /// No value has been made.
    pub(crate) fn new(pool: &Pool, make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let values = Values {
            pool: pool.shared.number,
            make: Box::new(make),
            of_workers: (0..pool.shared.most_workers()).map(|_| Mutex::new(None)).collect(),
            others: Mutex::new(Vec::new()),
        };
        Self { values: Arc::new(values) }
    }

    /// Calls `f` with the value of the worker that calls.
    ///
    /// A thread that is no worker of the pool gets a value, too, that nobody else
    /// uses at the time; and so does a job that calls `with` inside of `f`, or is run
    /// by a `join` there. When `f` panics, the value is dropped, as nobody knows what
    /// state it is in; the next call makes a new one.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let values = &*self.values;
        let own = worker::index_in(values.pool).map(|index| &values.of_workers[index]);
        let taken = own.and_then(|own| lock(own).take());
        let taken = taken.or_else(|| lock(&values.others).pop());
        let mut value = taken.unwrap_or_else(|| (values.make)());
        let result = f(&mut value);
        let mut left = Some(value);
        if let Some(own) = own {
            let mut own = lock(own);
            if own.is_none() {
                *own = left.take();
            }
        }
        if let Some(value) = left {
            lock(&values.others).push(value);
        }
        result
    }

    /// The values that are not in use, which are then no longer here. When no job of
    /// the pool uses them any more, these are all.
    pub fn take_all(&self) -> Vec<T> {
        let of_workers = self.values.of_workers.iter().filter_map(|value| lock(value).take());
        let mut all: Vec<T> = of_workers.collect();
        all.append(&mut lock(&self.values.others));
        all
    }
}

impl<T> Clone for WorkerLocal<T> {
    fn clone(&self) -> Self {
        Self { values: Arc::clone(&self.values) }
    }
}

impl<T> fmt::Debug for WorkerLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerLocal").field("pool", &self.values.pool).finish_non_exhaustive()
    }
}
