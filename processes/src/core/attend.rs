//! Items of maps that wait for others to travel with, while the iterator that is to bring those
//! takes its time: see [`crate::tray`].

use std::sync::{Arc, Weak};

use crate::clock;
use crate::error::JoinError;
use crate::tray::{Look, STALE, Tray};

use super::{Closing, Core, Settled, State};

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
    pub(super) fn look_at_trays(&mut self, now_ns: u64, settled: &mut Settled) -> Option<u64> {
        let mut next: Option<u64> = None;
        for tray in std::mem::take(&mut self.trays) {
            let Some(found) = tray.upgrade() else { continue };
            let look = found.look(now_ns);
            // Its map may be gone meanwhile: then this is the last handle.
            self.remains.trays.push(found);
            let again_ns = match look {
                Look::Empty => continue,
                Look::Fresh(due_ns) => due_ns,
                Look::Stale(call) => {
                    if matches!(self.closing, Some(Closing::Now { .. })) {
                        // As what was in the queue.
                        settled.push((call, Err(JoinError::Cancelled)));
                    } else {
                        self.requeue_last(call);
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::freight::Brings;
    use crate::call::Code;
    use crate::options::CallOptions;

    #[test]
    fn what_is_stale_is_cancelled_when_nothing_is_executed_any_more() {
        for (closing, cancelled) in
            [(None, 0), (Some(Closing::Drain), 0), (Some(Closing::Now { kill_at_ns: 0 }), 1)]
        {
            let code = Code { function: 0, trampoline: 0 };
            let tray = Tray::new(Arc::default(), code, CallOptions::new());
            let mut contents = tray.lock();
            contents.encoder.try_item(|bytes| bytes.push(1));
            contents.keep(0, true, Brings::default());
            drop(contents);
            let trays = vec![Arc::downgrade(&tray)];
            let mut state = State { trays, closing, ..State::default() };
            let mut settled = Settled::new();
            assert!(state.look_at_trays(u64::MAX, &mut settled).is_some());
            assert_eq!((settled.len(), state.queue.len()), (cancelled, 1 - cancelled));
            let known = Arc::downgrade(&tray);
            drop(tray);
            assert!(
                known.upgrade().is_some(),
                "it is dropped when the state is not locked any more"
            );
        }
    }
}
