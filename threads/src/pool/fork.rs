//! Fork-join in a pool.

use crate::fork::{context::Context, guests};
use crate::pool::Pool;

impl Pool {
    /// Calls `f` on the calling thread, which belongs to the pool meanwhile: what is
    /// forked in it may be taken by this pool's workers.
    ///
    /// Needs no other thread, so it costs some nanoseconds. The free functions
    /// [`join`](crate::join), [`scope`](crate::scope()) and the operations on slices use the pool
    /// that the calling thread belongs to: as a worker, or by this; the innermost one
    /// counts.
    pub fn install<R>(&self, f: impl FnOnce() -> R) -> R {
        let is_inside =
            Context::with(|context| context.is_some_and(|context| context.is_of(&self.shared)));
        if is_inside { f() } else { guests::enter(&self.shared, |_| f()) }
    }

    /// [`join`](crate::join) in this pool.
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA,
        B: FnOnce() -> RB + Send,
        RB: Send,
    {
        self.install(|| crate::join(a, b))
    }

    /// [`scope`](crate::scope) in this pool.
    pub fn scope<'env, F, R>(&self, f: F) -> R
    where
        F: for<'scope> FnOnce(&'scope crate::Scope<'scope, 'env>) -> R,
    {
        self.install(|| crate::scope(f))
    }

    /// [`broadcast`](crate::broadcast) in this pool.
    pub fn broadcast<F, R>(&self, f: F) -> Vec<R>
    where
        F: Fn(usize) -> R + Sync,
        R: Send,
    {
        self.install(|| crate::broadcast(f))
    }
}
