//! Many closures that may borrow from their caller.

use std::marker::PhantomData;

/// Where closures are spawned that may borrow; see [`scope`].
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    /// Invariant, as in std.
    scope: PhantomData<&'scope mut &'scope ()>,
    /// Invariant, as in std.
    env: PhantomData<&'env mut &'env ()>,
}

/// Calls `f` with a scope, and returns when all that was spawned in it has ended.
pub fn scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    f(&Scope { scope: PhantomData, env: PhantomData })
}

impl<'scope> Scope<'scope, '_> {
    /// Runs `f` on some worker, or on the caller before its scope ends.
    pub fn spawn<F>(&'scope self, f: F)
    where
        F: FnOnce() + Send + 'scope,
    {
        f();
    }
}
