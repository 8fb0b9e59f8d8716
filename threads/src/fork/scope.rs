//! Many closures that may borrow from their caller.

use super::context::Context;
use super::count::{By, Count};
use super::forked::Fork;
use super::node::Node;
use super::post::Post;
use super::task::Task;
use crate::cancel::{self, CancelToken};
use crate::error::Cancelled;
use crate::hook::PanicOrigin;
use crate::primitives::{AtomicBool, Mutex, invisible, lock};
use crate::shared::Shared;
use crate::unwind::{AbortOnUnwind, catch, drop_and_report};
use crate::waiting::GREATEST_DEPTH;
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::resume_unwind;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::Relaxed;

/// Where closures are spawned that may borrow what lives longer than the scope; see
/// [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    /// What does not depend on lifetimes.
    core: Core,
    /// Both are invariant, as in std: a longer scope must not pass for a shorter one, nor the
    /// other way around.
    lifetimes: PhantomData<(Invariant<'scope>, Invariant<'env>)>,
}

/// Keeps a lifetime from being taken for a longer or a shorter one.
type Invariant<'a> = fn(&'a ()) -> &'a ();

/// What a scope is made of.
pub(super) struct Core {
    /// What it belongs to; and what its tasks fork belongs to it.
    node: Node,
    /// The owner's context, for comparing only.
    owner: *const Context,
    /// The owner's post, which is there as long as the pool.
    post: NonNull<Post>,
    /// The pool, which the owner keeps while it is in the scope.
    shared: NonNull<Shared>,
    /// The tasks that have not ended.
    count: Count,
    /// Whether the tasks that have not begun are to be dropped.
    cancelled: AtomicBool,
    /// The first panic of a task.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// What cancels it from outside.
    token: Option<CancelToken>,
}

// SAFETY: three fields are not `Sync` by themselves, as they are pointers. `owner` is only compared.
// `post` and `shared` point to what is `Sync`, and is there for as long as somebody can use
// the scope: its owner keeps the pool until the scope has ended. A fourth, `node`, is one to
// its parent, which is never changed, and there as long as the scope, which lies above it on the
// stack or is waited for there.
unsafe impl Sync for Core {}

impl Core {
    /// A scope of this context's thread.
    fn new(context: &Context) -> Self {
        Self {
            node: Node::below(context.node()),
            owner: context,
            post: NonNull::from(context.post()),
            shared: NonNull::from(context.shared()),
            count: Count::new(),
            cancelled: AtomicBool::new(false),
            panic: Mutex::new(None),
            token: cancel::inherited(),
        }
    }

    /// What others see of the owner.
    pub(super) fn post(&self) -> NonNull<Post> {
        self.post
    }

    /// What it belongs to.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// As whom a thread with this context counts.
    fn role(&self, context: Option<&Context>) -> By {
        let is_owner = context.is_some_and(|context| ptr::eq(self.owner, context));
        if is_owner { By::Owner } else { By::Other }
    }

    /// Whether tasks that have not begun are to be dropped.
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed) || self.token.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// Runs a task's closure, or drops it if the scope was cancelled, and counts it as
    /// ended. Never unwinds.
    ///
    /// # Safety
    ///
    /// The scope is there until the task is counted, and the task has not been.
    pub(super) unsafe fn run(
        this: NonNull<Self>,
        context: &Context,
        owner: &Post,
        closure: impl FnOnce(),
    ) {
        // SAFETY: the scope is there, says the caller; it is not used after the count.
        let core = unsafe { this.as_ref() };
        if core.is_cancelled() {
            core.drop_and_report(closure);
        } else if context.is_too_deep() {
            core.fail_too_deep();
            core.drop_and_report(closure);
        } else {
            let needs_token = core.token.is_some() || cancel::is_inside();
            let _inside = needs_token.then(|| cancel::enter(core.token.clone()));
            if let Err(payload) = catch(closure) {
                core.fail(payload);
            }
        }
        let role = core.role(Some(context));
        if role == By::Other {
            context.count_fork();
        }
        if core.count.ended(role) {
            owner.unpark(); // The scope may be gone, its owner's post is not.
        }
    }

    /// A task panicked: those that have not begun are dropped. Later panics are, too.
    fn fail(&self, payload: Box<dyn Any + Send>) {
        self.cancelled.store(true, Relaxed);
        let later = {
            let mut panic = lock(&self.panic);
            // One that only says that the work was cancelled gives way to a real one.
            let stays = panic.as_ref().is_some_and(|panic| !panic.is::<Cancelled>());
            if stays { Some(payload) } else { panic.replace(payload) }
        };
        self.drop_and_report(later);
    }

    /// Drops what will not be used. Its panic is told to the pool. What it forks, it does to the
    /// end, cancelled or not.
    fn drop_and_report<T>(&self, value: T) {
        let _outside = cancel::enter(None);
        // SAFETY: the owner keeps the pool while it is in the scope.
        let shared = unsafe { self.shared.as_ref() };
        drop_and_report(value, |payload| shared.report(PanicOrigin::Drop, payload));
    }

    /// To run a task here could overflow the stack, and nobody else can.
    #[cold]
    fn fail_too_deep(&self) {
        let too_deep = || -> () {
            panic!(
                "{GREATEST_DEPTH} tasks of scopes lie on top of each other on one stack, and the \
                 pool can have no more workers: allow it more spares, or nest fewer levels deep"
            )
        };
        if let Err(payload) = catch(too_deep) {
            self.fail(payload);
        }
    }

    /// Runs what is left, and waits for what others run.
    fn finish(&self, context: &Context) {
        let count = &self.count;
        while !count.is_zero() {
            let is_deep = context.is_deep();
            if is_deep && context.wait_for_others(count) || self.run_own(context) {
                continue;
            }
            if is_deep && context.help(&self.node) {
                continue; // There is nobody to whom it could be left.
            }
            let block = |deadline| count.wait(deadline, || false);
            context.wait(&self.node, || count.is_zero(), block);
        }
    }

    /// Runs a task of this scope from the owner's deque, if there is one. Those of other
    /// scopes that lie on top go to the board.
    fn run_own(&self, context: &Context) -> bool {
        let mut others = Vec::new();
        while let Some(task) = context.take_task() {
            if ptr::eq(task.scope().as_ptr(), self) {
                for task in others {
                    context.shared().publish_fork(Task::into_fork(task));
                }
                context.run(task.into_fork());
                return true;
            }
            others.push(task);
        }
        context.put_back(others);
        false
    }
}

/// Calls `f` with a scope, in which it can spawn closures that borrow what lives longer
/// than the scope; returns when all of them have ended.
///
/// `f` runs on the calling thread, at once. A closure that was spawned may run on a worker of the pool
/// that the caller belongs to (as a worker, or by [`Pool::install`](crate::Pool::install)),
/// else of [`Pool::global`](crate::Pool::global); those that nobody has begun when `f` returns are run
/// by the caller, the last one first. There is no order among the others.
///
/// While the caller waits for closures that others have begun, it runs what belongs to
/// its scope, and nothing else. It runs what it has spawned itself, and what threads from outside
/// have: what those closures spawn on other workers is for these, and for workers that have nothing to
/// do. So a closure that waits for one that it has spawned, in a way that the pool cannot see,
/// needs another worker, or [`blocking`](crate::blocking()).
///
/// A scope with a [`CancelToken`] around it is cancelled with it: closures that have not
/// begun are dropped. Closures have the token of the scope.
///
/// # Panics
///
/// If `f` or a closure panics, closures that have not begun are dropped, the others are waited
/// for, and the panic goes on in the caller: that of `f`, or the first one. (Further panics, and
/// those in the drop of closures and of the result, are reported to
/// [`Builder::on_panic`](crate::Builder::on_panic) or counted, and go no further.) If the token was
/// cancelled, it unwinds with [`Cancelled`](crate::Cancelled), see [`CancelToken::run`].
///
/// When closures of scopes lie so deep on one stack that one more could overflow it, and the pool
/// can have no more workers with an empty one, see [limits](crate::Pool#limits).
///
/// ```
/// let text = String::from("three models, one task");
/// let (mut words, mut vowels) = (0, 0);
/// threads::scope(|scope| {
///     scope.spawn(|| words = text.split(' ').count());
///     scope.spawn(|| vowels = text.matches(['a', 'e', 'o']).count());
/// });
/// assert_eq!((words, vowels), (4, 7));
/// ```
///
/// What a closure borrows must live longer than the scope:
///
/// ```compile_fail,E0373
/// threads::scope(|scope| {
///     let inside = 1;
///     scope.spawn(|| assert_eq!(inside, 1));
/// });
/// ```
pub fn scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    super::enrolled(|context| {
        let core = Core::new(context);
        let scope = Scope { core, lifetimes: PhantomData };
        let core = &scope.core;
        let guard = AbortOnUnwind;
        let result = context.within(&core.node, || {
            let result = catch(|| f(&scope));
            if result.is_err() {
                core.cancelled.store(true, Relaxed);
            }
            core.finish(context);
            result
        });
        mem::forget(guard);
        let panic = lock(&core.panic).take();
        match (result, panic) {
            (Err(payload), Some(other)) if payload.is::<Cancelled>() => resume_unwind(other),
            (Err(payload), later) => {
                core.drop_and_report(later);
                resume_unwind(payload)
            }
            (Ok(result), Some(payload)) => {
                core.drop_and_report(result);
                resume_unwind(payload)
            }
            (Ok(result), None) if cancel::is_over() => {
                core.drop_and_report(result); // Before it unwinds: a panic of that would be a second one.
                cancel::unwind();
            }
            (Ok(result), None) => result,
        }
    })
}

impl<'scope> Scope<'scope, '_> {
    /// Has `f` run by some worker, or by the caller of [`scope`] before that returns.
    ///
    /// It is visible to idle workers at once, and one of them is woken if needed. It may
    /// spawn more in the same scope, or open others. Called on a thread that does not
    /// belong to the pool, it works, too.
    ///
    /// In a [`Pool::inline`](crate::Pool::inline), the caller runs it before this returns, or, where 128 lie on top
    /// of each other already, before the scope ends.
    pub fn spawn<F>(&'scope self, f: F)
    where
        F: FnOnce() + Send + 'scope,
    {
        Context::with(|context| self.spawn_from(context, f));
    }

    /// Spawns on a thread with this context.
    fn spawn_from(&'scope self, context: Option<&Context>, f: impl FnOnce() + Send + 'scope) {
        let core = &self.core;
        // SAFETY: the owner keeps the pool while it is in the scope.
        let shared = unsafe { core.shared.as_ref() };
        let context = context.filter(|context| context.is_of(shared));
        core.count.spawned(core.role(context));
        // SAFETY: the task is counted as spawned. `scope` does not return, nor unwind, before it is
        // counted as ended; until then the scope is there, and so is what lives as long as 'scope,
        // which is all that the closure borrows.
        let task = unsafe { Task::new(context.map(|context| &context.cells), core, f) };
        match context {
            Some(context) if shared.settings.inline && !context.lies_deep() => {
                context.run(task.into_fork());
            }
            // Its own thread looks there before the scope ends.
            Some(context) if shared.settings.inline && core.role(Some(context)) == By::Owner => {
                context.deque.push(task);
            }
            Some(_) if shared.settings.inline => shared.publish_fork(task.into_fork()),
            Some(context) => {
                invisible();
                context.deque.push(task);
                shared.tell_of_fork();
            }
            None => shared.publish_fork(task.into_fork()),
        }
    }

    /// A closure that only a certain worker will run. The scope does not end before it was run: the
    /// caller puts it where that is certain.
    pub(super) fn fork(&'scope self, f: impl FnOnce() + Send + 'scope) -> Fork {
        self.core.count.spawned(By::Other);
        // SAFETY: as in `spawn_from`, which does the same with the task: it is counted as spawned, so
        // that the scope, and what lives as long as 'scope, is there until it has ended.
        unsafe { Task::new(None, &self.core, f) }.into_fork()
    }

    /// Has the closures dropped that have not begun, those that are spawned later
    /// included. The ones that run are not interrupted; they can ask
    /// [`is_cancelled`](Scope::is_cancelled). The caller of [`scope`] goes on as usual.
    pub fn cancel(&self) {
        self.core.cancelled.store(true, Relaxed);
    }

    /// Whether the scope was cancelled: by [`cancel`](Scope::cancel), by a panic in it, or by
    /// the [`CancelToken`] around it.
    pub fn is_cancelled(&self) -> bool {
        self.core.is_cancelled()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}
