//! Tasks of a node that nobody waits for, and who notices when one of them fails.
//!
//! A node renews the leases of all calls that it holds. Were one of its tasks to end by a panic, others
//! would go on, and it might hold calls that it does not execute, for ever, with nobody to tell. So each
//! task is *watched*: when it panics, or ends although it never should, the node ends, gives its calls
//! back, and says why.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};

/// Whether a task has failed.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// How the first one has.
    why: RefCell<Option<String>>,
    /// Told when it has.
    happened: Notify,
}

impl Failure {
    /// Waits until one has; for one that waits.
    pub(super) async fn happened(&self) -> String {
        loop {
            if let Some(why) = &*self.why.borrow() {
                return why.clone();
            }
            self.happened.notified().await;
        }
    }

    /// Whether one has.
    pub(super) fn has_happened(&self) -> bool {
        self.why.borrow().is_some()
    }

    /// One has.
    fn note(&self, why: String) {
        self.why.borrow_mut().get_or_insert(why);
        self.happened.notify_one();
    }
}

/// Notes it when it is dropped by a panic.
struct Watch {
    /// Where to note it.
    failure: Rc<Failure>,
    /// What the task does.
    what: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The panic hook has said more.
        if std::thread::panicking() {
            self.failure.note(format!("a task has panicked: to {}", self.what));
        }
    }
}

impl Failure {
    /// Starts a task that may end at any time.
    pub(super) fn watch(
        self: &Rc<Self>,
        what: &'static str,
        task: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<()> {
        let watch = Watch { failure: Rc::clone(self), what };
        spawn_local(async move {
            // Moved into the task, it is dropped with that.
            let _watch = watch;
            task.await;
        })
    }

    /// Starts a task that ends only when it is aborted.
    pub(super) fn watch_for_good(
        self: &Rc<Self>,
        what: &'static str,
        task: impl Future<Output = ()> + 'static,
    ) -> JoinHandle<()> {
        let failure = Rc::clone(self);
        self.watch(what, async move {
            task.await;
            failure.note(format!("a task has ended: to {what}"));
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_lite::future::poll_once;
    use tokio::runtime::Builder;
    use tokio::task::LocalSet;

    use super::*;

    /// What is noted when this task has ended, or was aborted; none: nothing.
    fn noted(
        for_good: bool,
        abort: bool,
        task: impl Future<Output = ()> + 'static,
    ) -> Option<String> {
        let runtime = Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let failure = Rc::new(Failure::default());
            let task = if for_good {
                failure.watch_for_good("try", task)
            } else {
                failure.watch("try", task)
            };
            if abort {
                task.abort();
            }
            let (Ok(()) | Err(_)) = task.await;
            let why = poll_once(failure.happened()).await;
            assert_eq!(why.is_some(), failure.has_happened());
            why
        })
    }

    #[test]
    fn a_task_that_fails_is_noticed() {
        let panics = || async { panic!("planted") };
        for for_good in [false, true] {
            assert_eq!(noted(for_good, false, panics()).unwrap(), "a task has panicked: to try");
            assert_eq!(noted(for_good, true, pending()), None, "it was told to end");
        }
        assert_eq!(noted(false, false, ready(())), None);
        assert_eq!(noted(true, false, ready(())).unwrap(), "a task has ended: to try");
    }

    #[test]
    fn who_waits_is_told_of_the_first_one() {
        let runtime = Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let failure = Rc::new(Failure::default());
            let waits = spawn_local({
                let failure = Rc::clone(&failure);
                async move { failure.happened().await }
            });
            drop(failure.watch_for_good("one", ready(())));
            drop(failure.watch_for_good("two", ready(())));
            assert_eq!(waits.await.unwrap(), "a task has ended: to one");
        });
    }
}
