//! Many tasks at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{JoinError, Spawn, Task, spawn_with};
use crate::current;
use crate::inherit::Together;
use crate::record::{WaitsFor, waits_for_some};

/// A changing set of tasks whose results come in the order in which they finish.
///
/// Dropping the group cancels the tasks that are left, in the order in which they were spawned.
///
/// From the first [`next`](Self::next) on, until the group is empty, its tasks run at least as urgently
/// as the one that collects their results.
///
/// ```
/// # evented::block_on(async {
/// let mut group = evented::TaskGroup::new();
/// for n in 1..=3 {
///     group.spawn(async move { n * n });
/// }
/// let mut sum = 0;
/// while let Some(square) = group.next().await {
///     sum += square.expect("it returns");
/// }
/// assert_eq!(sum, 14);
/// # });
/// ```
pub struct TaskGroup<T> {
    /// The tasks that `next` has not returned yet, in the order in which they were spawned.
    tasks: BTreeMap<u64, Task<T>>,
    /// The next key of `tasks`; keys grow.
    next_key: u64,
    /// Makes the tasks as urgent as the one that collects the results.
    together: Together,
    /// Tasks with smaller keys are known there.
    known: u64,
    /// Shared with the tasks.
    finished: Rc<RefCell<Finished>>,
}

/// Which tasks of a group have finished, or are about to.
#[derive(Default)]
struct Finished {
    /// Their keys, in that order.
    keys: VecDeque<u64>,
    /// Who waits in `next`.
    waiter: Option<Waker>,
}

impl<T: 'static> TaskGroup<T> {
    /// An empty group.
    pub fn new() -> Self {
        Self {
            tasks: BTreeMap::new(),
            next_key: 0,
            together: Together::default(),
            known: 0,
            finished: Rc::default(),
        }
    }

    /// Spawns a task into the group.
    ///
    /// # Panics
    ///
    /// As [`spawn`](fn@crate::spawn).
    #[track_caller]
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) {
        self.spawn_with(Spawn::new(), future);
    }

    /// As [`spawn`](Self::spawn), with a name or a class.
    ///
    /// # Panics
    ///
    /// As [`spawn`](fn@crate::spawn).
    #[track_caller]
    pub fn spawn_with(&mut self, options: Spawn, future: impl Future<Output = T> + 'static) {
        let key = self.next_key;
        self.next_key += 1;
        // Dropped with the future: when it returns, panics or is cancelled.
        let report = Report { key, finished: Rc::clone(&self.finished) };
        let task = spawn_with(options, async move {
            let _report = report;
            future.await
        });
        self.tasks.insert(key, task);
    }

    /// The result of the next task that finishes. None when no task is left.
    pub async fn next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for futures written by hand.
    ///
    /// # Panics
    ///
    /// As polling a [`Task`] that has not finished outside its reactor.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_next_of(cx).map(|next| next.map(|(_, result)| result))
    }

    /// The same, with the key of the task.
    fn poll_next_of(&mut self, cx: &mut Context<'_>) -> Poll<Option<(u64, Result<T, JoinError>)>> {
        if self.tasks.is_empty() {
            self.together.leave();
            return Poll::Ready(None);
        }
        if let Some(next) = self.take_finished() {
            return Poll::Ready(Some(next));
        }
        if let Some((_, task)) = self.tasks.first_key_value() {
            task.assert_reactor_runs();
            waits_for_some(WaitsFor::Join(task.id()), self.tasks.len() - 1);
        }
        if self.together.wait() {
            self.known = 0;
        }
        let unknown = self.tasks.range(std::mem::replace(&mut self.known, self.next_key)..);
        unknown.filter_map(|(_, task)| task.name()).for_each(|task| self.together.add(task));
        let waker = cx.waker().clone();
        let (old, is_ending) = {
            let mut finished = self.finished.borrow_mut();
            (finished.waiter.replace(waker), !finished.keys.is_empty())
        };
        drop(old);
        if is_ending {
            // That task has told already, and will not do so again once it has ended.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The result of the task that has finished first of those that are left.
    fn take_finished(&mut self) -> Option<(u64, Result<T, JoinError>)> {
        loop {
            let key = {
                let keys = &mut self.finished.borrow_mut().keys;
                // A report comes from inside the end of its task. Code of the user's that runs in there, a drop or
                // a waker, may ask before there is a result: the report stays.
                let has_ended = |key| self.tasks.get(key).is_none_or(Task::is_finished);
                let place = keys.iter().position(has_ended)?;
                keys.remove(place).expect("it was found there")
            };
            if let Some(mut task) = self.tasks.remove(&key)
                && let Poll::Ready(result) =
                    Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()))
            {
                return Some((key, result));
            }
        }
    }

    /// Asks all tasks to stop, in the order in which they were spawned. A task that is not ready joins
    /// the queue of its class by that; one that is keeps its place there. Their results still come from
    /// [`next`](Self::next).
    pub fn cancel_all(&mut self) {
        for task in self.tasks.values() {
            task.request_cancel();
        }
    }

    /// A result that is there, without waiting. None when there is none yet, or no task is left. That of a task
    /// whose future is being dropped is not there yet.
    pub fn try_next(&mut self) -> Option<Result<T, JoinError>> {
        self.take_finished().map(|(_, result)| result)
    }

    /// Waits for all tasks. The results are in the order in which the tasks were spawned; those that
    /// [`next`](Self::next) has returned are not among them. When the future is dropped early, results
    /// that have come are lost, and the other tasks stay in the group.
    pub async fn join_all(&mut self) -> Vec<Result<T, JoinError>> {
        let mut results = BTreeMap::new();
        while let Some((key, result)) = poll_fn(|cx| self.poll_next_of(cx)).await {
            results.insert(key, result);
        }
        results.into_values().collect()
    }

    /// Waits until all tasks have returned, or one has failed. The results are in the order in which the
    /// tasks were spawned. After a failure the other tasks are cancelled, and their futures have been
    /// dropped when this returns.
    ///
    /// # Errors
    ///
    /// That of the task that failed first.
    pub async fn try_join_all(&mut self) -> Result<Vec<T>, JoinError> {
        let mut results = BTreeMap::new();
        while let Some((key, result)) = poll_fn(|cx| self.poll_next_of(cx)).await {
            match result {
                Ok(result) => drop(results.insert(key, result)),
                Err(error) => {
                    self.shutdown().await;
                    return Err(error);
                }
            }
        }
        Ok(results.into_values().collect())
    }

    /// Cancels all tasks and waits until their futures have been dropped. Results are dropped.
    pub async fn shutdown(&mut self) {
        self.cancel_all();
        let engine = self.tasks.first_key_value().map(|(_, task)| Rc::clone(task.engine()));
        while let Some(result) = self.next().await {
            // A drop that panics keeps nobody from the next.
            if let Some(engine) = &engine {
                engine.drop_contained(result);
            }
        }
    }

    /// Lets the tasks run without the group. Their results are dropped.
    pub fn detach_all(mut self) {
        while let Some((_, task)) = self.tasks.pop_first() {
            task.detach();
        }
    }

    /// How many results are still to come.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<T: 'static> Default for TaskGroup<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for TaskGroup<T> {
    fn drop(&mut self) {
        while let Some((_, task)) = self.tasks.pop_first() {
            drop(task);
        }
    }
}

impl<T> fmt::Debug for TaskGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("len", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// Tells the group that a task ends, by being dropped. Its result is there only after that, and after the drop of
/// the future: before the first poll, the future is dropped last.
struct Report {
    key: u64,
    finished: Rc<RefCell<Finished>>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let waiter = {
            let mut finished = self.finished.borrow_mut();
            finished.keys.push_back(self.key);
            finished.waiter.take()
        };
        if let Some(waiter) = waiter {
            current::wake_contained(waiter);
        }
    }
}

/// The results of all tasks, in the order of the tasks. All of them run at least as urgently as the task
/// that waits.
pub async fn join_all<T: 'static>(
    tasks: impl IntoIterator<Item = Task<T>>,
) -> Vec<Result<T, JoinError>> {
    // All are collected first, so that an iterator that spawns does so before the first await.
    let mut tasks: VecDeque<Task<T>> = tasks.into_iter().collect();
    let mut results = Vec::with_capacity(tasks.len());
    // All of them are waited for, and not only the one whose turn it is.
    let mut together = Together::default();
    while let Some(mut task) = tasks.pop_front() {
        let result = poll_fn(|cx| {
            let result = Pin::new(&mut task).poll(cx);
            if result.is_pending() && together.wait() {
                tasks.iter().filter_map(Task::name).for_each(|task| together.add(task));
            }
            result
        });
        results.push(result.await);
    }
    results
}
