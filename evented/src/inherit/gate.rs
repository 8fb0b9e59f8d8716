//! The side of locks and channels: where tasks wait, and who can end that.

use std::ptr;
use std::task::Waker;

use super::{EdgeId, GateId};
use crate::current;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::name::Name;
use crate::record::{TaskId, WaitsFor};

/// Where tasks wait for what another task will do. Part of the state of a lock or channel, and used
/// under its lock: nothing here runs user code or takes another lock but that of an inbox.
///
/// A gate serves the tasks of one reactor at a time: the first of which one waits; others wait there
/// without making anybody more urgent. What is done on other threads reaches that reactor as a call.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The reactor of those who wait, and what it calls the gate. None when nobody is known to wait.
    home: Option<(Handle, GateId)>,
    /// How many places are kept until they are left.
    places: usize,
    /// The task that can open it, if one is known.
    keeper: Option<Name>,
    /// Numbers the changes of the keeper.
    turn: u64,
    /// It is a lock, and not a channel.
    is_lock: bool,
}

/// The place of somebody who waits, or of a holder. Has to be left.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<Entry>);

/// See [`Place`].
#[derive(Clone, Copy, Debug)]
struct Entry {
    reactor: Handle,
    edge: EdgeId,
    /// It counts in `Gate::places`.
    is_counted: bool,
}

impl Gate {
    /// The gate of a lock. The default one is that of a channel; they differ in the task table.
    pub(crate) fn of_lock() -> Self {
        Self { is_lock: true, ..Self::default() }
    }

    /// The task that is being polled waits, with this waker, until its place is left. True when
    /// holders have to be named (again).
    pub(crate) fn wait(&mut self, place: &mut Place) -> bool {
        self.wait_as(place, None, self.keeper)
    }

    /// As [`wait`](Self::wait), where those who wait form a line: behind this task, if it is known. The table
    /// has each task with the one in front of it, so that nothing has to be written when a lock changes
    /// hands; whoever reads it follows the line to its head.
    pub(crate) fn wait_behind(&mut self, place: &mut Place, ahead: Option<Name>) -> bool {
        self.wait_as(place, None, ahead.or(self.keeper))
    }

    /// As [`wait`](Self::wait), for a wait of which nobody says when it is over: until its place is
    /// left, or a poll of the task does not come by.
    pub(crate) fn wait_polled(&mut self, place: &mut Place, waker: &Waker) -> bool {
        self.wait_as(place, Some(waker), self.keeper)
    }

    fn wait_as(&mut self, place: &mut Place, polled: Option<&Waker>, on: Option<Name>) -> bool {
        let Some(engine) = current::try_engine() else { return false };
        engine.waits_for(self.what(on.map(TaskId)));
        self.note(&engine, place, polled)
    }

    /// Somebody who has waited behind `ahead`, or first, does so no more: the next one moves up.
    pub(crate) fn close_up(next: Option<Name>, ahead: Option<Name>) {
        let Some(next) = next else { return };
        if let Some(engine) = current::try_engine()
            && engine.tasks.reactor() == next.reactor()
        {
            engine.recorder().moves_up(next, ahead);
        }
    }

    /// What the task table says of who waits here, on this task.
    fn what(&self, on: Option<TaskId>) -> WaitsFor {
        let number = ptr::from_ref(self).addr() as u64;
        if self.is_lock {
            WaitsFor::Lock { lock: number, owner: on }
        } else {
            WaitsFor::Chan { chan: number, keeper: on }
        }
    }

    /// Notes who waits, if that can matter to somebody's urgency. True if holders have to be named.
    pub(super) fn note(
        &mut self,
        engine: &Engine,
        place: &mut Place,
        polled: Option<&Waker>,
    ) -> bool {
        if !engine.inherits() || engine.running_task().is_none() {
            return false;
        }
        let gate = match self.home {
            Some((home, gate)) if home.id() == engine.id() => Some(gate),
            // Those who wait in another reactor were first.
            Some(_) if self.places > 0 => return false,
            _ => None,
        };
        if place.0.is_some_and(|entry| entry.reactor.id() != engine.id()) {
            self.leave(place);
        }
        let (gate, edge, is_new) = engine.wait_at(gate, place.0.map(|entry| entry.edge), polled);
        let reactor = Handle::new(engine);
        let is_counted = polled.is_none();
        self.places += usize::from(is_counted && place.0.is_none());
        place.0 = Some(Entry { reactor, edge, is_counted });
        self.home = Some((reactor, gate));
        if is_new {
            engine.set_keeper(gate, self.turn, self.keeper);
        }
        is_new
    }

    /// The task that can open it, if one is known.
    pub(crate) fn keeper(&self) -> Option<Name> {
        self.keeper
    }

    /// Who had this place does not wait any more.
    pub(crate) fn leave(&mut self, place: &mut Place) {
        let Some(Entry { reactor, edge, is_counted }) = place.0.take() else { return };
        self.places -= usize::from(is_counted);
        if self.places == 0 {
            self.home = None;
        }
        on(reactor, move |engine| engine.leave(edge));
    }

    /// From here on this task can open the gate; none: nobody knows which one.
    pub(crate) fn set_keeper(&mut self, keeper: Option<Name>) {
        if self.keeper == keeper {
            return;
        }
        self.keeper = keeper;
        if let Some((home, gate)) = self.home {
            self.turn += 1;
            let turn = self.turn;
            on(home, move |engine| engine.set_keeper(gate, turn, keeper));
        }
    }

    /// One more task can open the gate, for as long as the place is not released. Does nothing when
    /// nobody waits, or on another thread than those who do.
    pub(crate) fn add_holder(&self, holder: Name) -> Place {
        let Some((home, gate)) = self.home else { return Place::default() };
        let engine = current::try_engine().filter(|engine| engine.id() == home.id());
        let edge = engine.and_then(|engine| engine.add_holder(gate, holder));
        Place(edge.map(|edge| Entry { reactor: home, edge, is_counted: false }))
    }
}

impl Place {
    /// A holder is none any more.
    pub(crate) fn release(&mut self) {
        if let Some(Entry { reactor, edge, .. }) = self.0.take() {
            on(reactor, move |engine| engine.leave(edge));
        }
    }
}

/// Does something in a reactor: now, if it is the one that runs here.
fn on(reactor: Handle, f: impl FnOnce(&Engine) + Send + 'static) {
    match current::try_engine() {
        Some(engine) if engine.id() == reactor.id() => f(&engine),
        // If the reactor is gone, so are its waits.
        _ => {
            let _ = reactor.call(move || {
                if let Some(engine) = current::try_engine() {
                    f(&engine);
                }
            });
        }
    }
}
