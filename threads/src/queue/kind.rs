//! The methods of the public queues, once for all of them.

/// Defines a public queue with the given storage, whose documentation comes before it.
macro_rules! queue {
    ($(#[$docs:meta])* $name:ident, $storage:ident, $text:literal $(, $bound:ident)?) => {
        $(#[$docs])*
        pub struct $name<T $(: $bound)?> {
            /// The queue itself.
            core: Arc<Core<$storage<T>>>,
        }

        impl<T $(: $bound)?> $name<T> {
            /// A queue for at most `capacity` values at a time.
            ///
            /// # Errors
            ///
            /// [`io::ErrorKind::InvalidInput`] when `capacity` is zero.
            pub fn bounded(capacity: usize) -> io::Result<Self> {
                Ok(Self { core: Arc::new(Core::new(valid(capacity)?)) })
            }

            /// A queue that is never full.
            ///
            /// Nothing slows down those who put values faster than others get them, but
            /// the end of the memory; a bound does.
            ///
            /// # Errors
            ///
            /// None here.
            pub fn unbounded() -> io::Result<Self> {
                Self::bounded(usize::MAX)
            }

            /// Puts a value; waits while the queue is full.
            ///
            /// # Errors
            ///
            /// [`PutError::ShutDown`].
            pub fn put(&self, value: T) -> Result<(), PutError<T>> {
                self.core.put(value, FOR_EVER).map_err(PutError::timed_out)
            }

            /// Puts a value if there is a free place.
            ///
            /// # Errors
            ///
            /// [`PutError::Full`], [`PutError::ShutDown`].
            pub fn try_put(&self, value: T) -> Result<(), PutError<T>> {
                self.core.put(value, None).map_err(PutError::full)
            }

            /// Puts a value; waits while the queue is full, but not longer than `limit`.
            ///
            /// # Errors
            ///
            /// [`PutError::TimedOut`], [`PutError::ShutDown`].
            pub fn put_timeout(&self, value: T, limit: Duration) -> Result<(), PutError<T>> {
                let deadline = Some(Deadline::after(limit));
                self.core.put(value, deadline).map_err(PutError::timed_out)
            }

            /// Puts all of the values, in order; waits whenever the queue is full. Values
            /// of other threads can come in between.
            ///
            /// # Errors
            ///
            /// [`PutError::ShutDown`], with those values that were not put.
            pub fn put_many(&self, values: Vec<T>) -> Result<(), PutError<Vec<T>>> {
                self.core.put_many(values, FOR_EVER).map_err(PutError::timed_out)
            }

            /// Puts as many of the values as there are free places for.
            ///
            /// # Errors
            ///
            /// [`PutError::Full`], [`PutError::ShutDown`], both with those values that were
            /// not put.
            pub fn try_put_many(&self, values: Vec<T>) -> Result<(), PutError<Vec<T>>> {
                self.core.put_many(values, None).map_err(PutError::full)
            }

            /// Puts all of the values, in order; waits whenever the queue is full, but
            /// altogether not longer than `limit`.
            ///
            /// # Errors
            ///
            /// [`PutError::TimedOut`], [`PutError::ShutDown`], both with those values that
            /// were not put.
            pub fn put_many_timeout(
                &self,
                values: Vec<T>,
                limit: Duration,
            ) -> Result<(), PutError<Vec<T>>> {
                let deadline = Some(Deadline::after(limit));
                self.core.put_many(values, deadline).map_err(PutError::timed_out)
            }

            #[doc = concat!("Gets the ", $text, " value; waits while the queue is empty.")]
            ///
            /// # Errors
            ///
            /// [`GetError::ShutDown`].
            pub fn get(&self) -> Result<T, GetError> {
                self.core.get(FOR_EVER).map_err(GetError::timed_out)
            }

            #[doc = concat!("Gets the ", $text, " value if there is one.")]
            ///
            /// # Errors
            ///
            /// [`GetError::Empty`], [`GetError::ShutDown`].
            pub fn try_get(&self) -> Result<T, GetError> {
                self.core.get(None).map_err(GetError::empty)
            }

            #[doc = concat!("Gets the ", $text, " value; waits while the queue is empty, but")]
            /// not longer than `limit`.
            ///
            /// # Errors
            ///
            /// [`GetError::TimedOut`], [`GetError::ShutDown`].
            pub fn get_timeout(&self, limit: Duration) -> Result<T, GetError> {
                let deadline = Some(Deadline::after(limit));
                self.core.get(deadline).map_err(GetError::timed_out)
            }

            /// Gets what is there, up to `most` values, in their order; waits while the
            /// queue is empty. So there is at least one, unless `most` is zero.
            ///
            /// # Errors
            ///
            /// [`GetError::ShutDown`].
            pub fn get_many(&self, most: usize) -> Result<Vec<T>, GetError> {
                self.core.get_many(most, FOR_EVER).map_err(GetError::timed_out)
            }

            /// Gets what is there, up to `most` values, in their order, if there is any.
            ///
            /// # Errors
            ///
            /// [`GetError::Empty`], [`GetError::ShutDown`].
            pub fn try_get_many(&self, most: usize) -> Result<Vec<T>, GetError> {
                self.core.get_many(most, None).map_err(GetError::empty)
            }

            /// Gets what is there, up to `most` values, in their order; waits while the
            /// queue is empty, but not longer than `limit`.
            ///
            /// # Errors
            ///
            /// [`GetError::TimedOut`], [`GetError::ShutDown`].
            pub fn get_many_timeout(
                &self,
                most: usize,
                limit: Duration,
            ) -> Result<Vec<T>, GetError> {
                let deadline = Some(Deadline::after(limit));
                self.core.get_many(most, deadline).map_err(GetError::timed_out)
            }

            /// The values as they come, until the queue is shut down and empty.
            pub fn iter(&self) -> impl Iterator<Item = T> {
                std::iter::from_fn(|| self.get().ok())
            }

            /// Reports that a value which was got has been dealt with, for
            /// [`join`](Self::join).
            ///
            /// # Errors
            ///
            /// When that was reported for every value already.
            pub fn task_done(&self) -> Result<(), TaskDoneError> {
                if self.core.task_done() { Ok(()) } else { Err(TaskDoneError::new()) }
            }

            /// Waits until [`task_done`](Self::task_done) was called for every value that
            /// was put. Returns at once if none was ever put.
            ///
            /// A value in the hands of a thread that never calls `task_done`, because it
            /// panicked for example, makes it wait for ever.
            pub fn join(&self) {
                self.core.join(Deadline::Never);
            }

            /// [`join`](Self::join), but not longer than `limit`: false when time is over.
            pub fn join_timeout(&self, limit: Duration) -> bool {
                self.core.join(Deadline::after(limit))
            }

            /// How many values were put and not reported as dealt with.
            pub fn unfinished(&self) -> usize {
                self.core.unfinished()
            }

            /// Ends the queue: every later `put` fails, and so does one that waits now;
            /// `get` gives what is left and then fails, as does one that waits now. Doing
            /// it twice is no error.
            pub fn shutdown(&self) {
                self.core.shut_down();
            }

            /// Ends the queue and drops what is in it: also every `get` fails from now on.
            /// The dropped values, whose number is returned, count as dealt with; `join`
            /// still waits for those that somebody has got. It may return before the drops of the
            /// values have run.
            ///
            /// # Panics
            ///
            /// With the panic of such a drop; the queue has ended then, and the values count.
            pub fn shutdown_now(&self) -> usize {
                self.core.discard().len()
            }

            /// Whether the queue was shut down.
            pub fn is_shut_down(&self) -> bool {
                self.core.store.is_closed()
            }

            /// How many values are in the queue at this moment.
            pub fn len(&self) -> usize {
                self.core.store.len()
            }

            /// Whether the queue has no value at this moment.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether the queue has no free place at this moment.
            pub fn is_full(&self) -> bool {
                self.len() == self.capacity()
            }

            /// How many values the queue can hold; [`usize::MAX`] if it is unbounded.
            pub fn capacity(&self) -> usize {
                self.core.capacity
            }
        }

        // After a panic, a queue can be used as before.
        impl<T $(: $bound)?> UnwindSafe for $name<T> {}
        impl<T $(: $bound)?> RefUnwindSafe for $name<T> {}

        impl<T $(: $bound)?> Clone for $name<T> {
            fn clone(&self) -> Self {
                Self { core: Arc::clone(&self.core) }
            }
        }

        impl<T $(: $bound)?> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.core.describe(&mut f.debug_struct(stringify!($name)))
            }
        }
    };
}

pub(super) use queue;
