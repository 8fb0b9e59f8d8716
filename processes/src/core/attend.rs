//! Items of maps that wait for others to travel with, while the iterator that is to bring those
//! takes its time: see [`crate::tray`].

use std::sync::{Arc, Weak};

use crate::clock;
use crate::tray::{Look, STALE, Tray};

use super::{Core, State};

impl Core {
    /// From now on the supervisor looks at a tray, until it finds it empty.
    pub(crate) fn attend(&self, tray: &Arc<Tray>) {
        let mut state = self.lock();
        state.trays.push(Arc::downgrade(tray));
        self.check_at(&mut state, clock::after_ns(STALE));
    }
}

impl State {
    /// Queues what has waited in trays for too long. Returns when to look again.
    pub(super) fn look_at_trays(&mut self, now_ns: u64) -> Option<u64> {
        let mut next: Option<u64> = None;
        for tray in std::mem::take(&mut self.trays) {
            let Some(look) = tray.upgrade().map(|tray| tray.look(now_ns)) else { continue };
            let again_ns = match look {
                Look::Empty => continue,
                Look::Fresh(due_ns) => due_ns,
                Look::Stale(call) => {
                    self.requeue_last(call);
                    now_ns.saturating_add(clock::to_ns(STALE))
                }
            };
            next = Some(next.map_or(again_ns, |next| next.min(again_ns)));
            self.trays.push(tray);
        }
        next
    }

    /// Puts a call at the end of the queue, unless nobody wants it.
    fn requeue_last(&mut self, call: crate::call::Call) {
        if call.target.requeued() {
            self.queue.push_back(call);
        } else {
            self.forget(call);
        }
    }
}

/// Trays that the supervisor looks at.
pub(super) type Trays = Vec<Weak<Tray>>;
