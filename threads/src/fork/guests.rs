//! Threads from outside that fork in a pool: they belong to it for a while.
//!
//! A guest keeps its context for the next time, as making one costs much more than a
//! small fork. Its post stays with the pool for good, and is given to another guest when the
//! thread has ended.

use super::context::Context;
use super::post::Post;
use super::task::Task;
use crate::primitives::{AtomicUsize, Mutex, lock, thread_local};
use crate::shared::Shared;
use crate::worker;
use crossbeam_deque::Worker as Deque;
use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Weak};

/// The guests that a pool has or had.
pub(crate) struct Guests {
    /// What others see of them. Only ever grows.
    posts: Mutex<Vec<Arc<Post>>>,
    /// How many posts there are, for looking without the lock.
    count: AtomicUsize,
    /// What threads that have ended left for others. The deques are empty.
    free: Mutex<Vec<(Deque<Task>, Arc<Post>)>>,
}

impl Guests {
    /// No guests.
    pub(crate) fn new() -> Self {
        let (posts, free) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        Self { posts, count: AtomicUsize::new(0), free }
    }

    /// Calls `f` with the posts until it is true; whether it was. Under a lock: `f` runs no
    /// user code.
    pub(crate) fn any(&self, f: impl FnMut(&Arc<Post>) -> bool) -> bool {
        self.count.load(Acquire) > 0 && lock(&self.posts).iter().any(f)
    }

    /// A deque with its post.
    fn place(&self) -> (Deque<Task>, Arc<Post>) {
        let left = lock(&self.free).pop();
        left.unwrap_or_else(|| {
            let deque = Deque::new_lifo();
            let post = Arc::new(Post::new(&deque));
            let mut posts = lock(&self.posts);
            posts.push(Arc::clone(&post));
            self.count.store(posts.len(), Release);
            drop(posts);
            (deque, post)
        })
    }
}

/// A thread's context in a pool that it does not work for.
struct Guest {
    /// The pool's number.
    pool: u64,
    /// The pool, if it is still there. If not, this keeps some hundred bytes of it, until the
    /// thread becomes a guest of another pool.
    shared: Weak<Shared>,
    /// The post, which the context has, too.
    post: Arc<Post>,
    /// The context; `None` only while the guest leaves.
    context: Option<Context>,
}

impl Guest {
    /// The calling thread becomes a guest.
    fn new(shared: &Arc<Shared>) -> Self {
        let (deque, post) = shared.guests.place();
        let context = Context::new(shared, deque, Arc::clone(&post));
        let (pool, shared) = (shared.number, Arc::downgrade(shared));
        Self { pool, shared, post, context: Some(context) }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(context) = self.context.take() else { return };
        if let Some(shared) = self.shared.upgrade() {
            lock(&shared.guests.free).push((context.into_deque(), Arc::clone(&self.post)));
        }
    }
}

thread_local! {
    /// Where the current thread is or was a guest.
    static GUESTS: RefCell<Vec<Rc<Guest>>> = const { RefCell::new(Vec::new()) };
}

/// The calling thread belongs to the pool while `f` runs.
pub(crate) fn enter<R>(shared: &Arc<Shared>, f: impl FnOnce(&Context) -> R) -> R {
    if let Some(worker) = worker::current().filter(|worker| worker.shared.number == shared.number) {
        return worker.context.enter(shared, || f(&worker.context)); // Out of another pool, back to its own.
    }
    let kept = GUESTS.try_with(|guests| {
        let guests = guests.borrow();
        guests.iter().find(|guest| guest.pool == shared.number).map(Rc::clone)
    });
    let guest = match kept {
        Ok(Some(guest)) => guest,
        Ok(None) => keep(shared),
        Err(_) => Rc::new(Guest::new(shared)), // The thread is about to end.
    };
    let context = guest.context.as_ref().expect("it is taken when the guest is dropped");
    context.enter(shared, || f(context))
}

/// The calling thread becomes a guest for longer; pools that are gone are forgotten.
#[cold]
fn keep(shared: &Arc<Shared>) -> Rc<Guest> {
    let guest = Rc::new(Guest::new(shared));
    let gone = GUESTS.with(|guests| {
        let mut guests = guests.borrow_mut();
        let (there, gone) =
            mem::take(&mut *guests).into_iter().partition(|guest| guest.shared.strong_count() > 0);
        *guests = there;
        guests.push(Rc::clone(&guest));
        gone
    });
    drop::<Vec<_>>(gone); // Not while the list is borrowed.
    guest
}
