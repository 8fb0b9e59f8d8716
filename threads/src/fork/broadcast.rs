//! The same closure once on each worker.

use super::context::Context;
use super::enrolled;
use super::scope::scope;
use crate::primitives::{Mutex, lock};
use crate::shared::Shared;
use crate::worker;

/// Calls `f` once on each worker of the pool that the caller belongs to (as a worker, or by
/// [`Pool::install`](crate::Pool::install)), else of [`Pool::global`](crate::Pool::global), with
/// the worker's number; returns the results in the order of those numbers when all are there.
///
/// For what belongs to threads and not to jobs: thread-local values, affinities, statistics
/// of an allocator. Those workers are meant that have a seat: not the ones that wait in
/// [`blocking`](crate::blocking()) or for a handle at the moment, but the spare ones in their
/// place. Workers that start later are none of them; see
/// [`Builder::initializer`](crate::Builder::initializer). In a
/// [`Pool::inline`](crate::Pool::inline), the caller calls it, as number 0.
///
/// So there may be fewer results than [`Pool::workers`](crate::Pool::workers), or more: without a
/// spare one there is nobody in the place of a worker that waits, and a seat may change hands
/// meanwhile. In a pool that an initializer has broken, there may be none.
///
/// A worker calls `f` between two jobs, or when its job is about to block in a way that the
/// pool can see, so `f` should need no lock that a job holds meanwhile. This may take as long
/// as its present job does. A caller that is a worker calls it at once for itself, and its part
/// of other broadcasts while it waits.
///
/// # Panics
///
/// When `f` panics on some worker, after all of them are done; those that have not begun by
/// then do not call it.
///
/// ```
/// let pool = threads::Pool::new(2)?;
/// assert_eq!(pool.broadcast(|worker| worker * 10), [0, 10]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn broadcast<F, R>(f: F) -> Vec<R>
where
    F: Fn(usize) -> R + Sync,
    R: Send,
{
    enrolled(|context| {
        let shared = context.shared();
        if shared.settings.inline {
            return vec![f(0)];
        }
        let results = Mutex::new(Vec::new());
        let part = |worker| {
            let result = f(worker);
            lock(&results).push((worker, result));
        };
        deliver(shared, context, &part);
        let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.sort_unstable_by_key(|(worker, _)| *worker);
        results.into_iter().map(|(_, result)| result).collect()
    })
}

/// Has each worker call `part`, and waits for that.
fn deliver(shared: &Shared, context: &Context, part: &(impl Fn(usize) + Sync)) {
    let own = context.worker_index();
    // A worker that could not start leaves its part to whoever noticed, for counting only.
    let part_of = |worker| {
        if worker::index_in(shared.number) == Some(worker) {
            part(worker);
        }
    };
    let part_of = &part_of;
    scope(|scope| {
        for (worker, slot) in shared.slots().enumerate() {
            if Some(worker) != own {
                slot.mail.put(|| scope.fork(move || part_of(worker)));
            }
        }
        shared.sleep.wake_all();
        if let Some(own) = own {
            part(own);
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::pool::Pool;
    use crate::worker::Deques;
    use std::thread;

    /// Its part is no other worker's, and the broadcast does not wait for it.
    #[test]
    fn a_worker_that_could_not_start_has_no_part() {
        let pool = Pool::builder().workers(1).spares(0).build().expect("it starts");
        let shared = &pool.shared;
        shared.open_slot(1, &Deques::new());
        shared.open_mail(1);
        let results = thread::scope(|scope| {
            let caller = scope.spawn(|| pool.broadcast(|worker| worker));
            let slot = shared.slots().nth(1).expect("it was opened");
            while !slot.mail.has_any() {
                thread::yield_now();
            }
            shared.return_mail(1);
            caller.join().expect("no part panics")
        });
        assert_eq!(results, [0]);
    }
}
