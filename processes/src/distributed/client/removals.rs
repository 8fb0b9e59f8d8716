//! Removals of bodies from the store: tasks for which nobody waits, but the end of the client.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

use super::super::broker::argument_name;
use super::run::Desk;

/// Counts the tasks under way that remove bodies, or may have to.
#[derive(Debug, Default)]
pub(super) struct Removals {
    /// How many there are.
    under_way: Cell<usize>,
    /// Told when there are none.
    over: Notify,
}

impl Removals {
    /// Waits until there are none.
    pub(super) async fn are_over(&self) {
        while self.under_way.get() > 0 {
            self.over.notified().await;
        }
    }
}

/// As long as it is there, the client does not end without its [limit](super::run) for that.
pub(super) struct Removal(Rc<Desk>);

impl Drop for Removal {
    fn drop(&mut self) {
        let Removals { under_way, over } = &self.0.removals;
        under_way.set(under_way.get() - 1);
        if under_way.get() == 0 {
            over.notify_one();
        }
    }
}

impl Desk {
    /// Something is removed, or may have to be, until this is dropped.
    pub(super) fn removal(self: &Rc<Self>) -> Removal {
        let under_way = &self.removals.under_way;
        under_way.set(under_way.get() + 1);
        Removal(Rc::clone(self))
    }

    /// The argument of a call is not needed any more.
    pub(super) fn forget_argument(self: &Rc<Self>, number: u64) {
        let (removal, name) = (self.removal(), argument_name(self.remote.call_id(number)));
        self.spawn("a removal", async move { removal.0.broker.store.forget(&name).await });
    }
}
