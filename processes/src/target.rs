//! Where the outcome of a call goes.

use std::sync::Arc;

use crate::harvest::{Harvest, Portion};
use crate::ticket::{Place, Ticket};

/// Where the outcome of a call goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// To the handle of a single call.
    Ticket(Arc<Ticket>),
    /// To a map, some of whose items it is.
    Items(Portion),
}

impl Target {
    /// True while somebody wants the call in the queue to be executed.
    pub(crate) fn is_queued(&self) -> bool {
        match self {
            Self::Ticket(ticket) => ticket.is_queued(),
            Self::Items(portion) => !portion.harvest.is_closed(),
        }
    }

    /// Records where the call went. False when nobody wants it any more.
    pub(crate) fn sent(&self, place: Place) -> bool {
        match self {
            Self::Ticket(ticket) => ticket.sent(place),
            Self::Items(portion) => !portion.harvest.is_closed(),
        }
    }

    /// Records that the call is back in the queue. False when nobody wants it any more.
    pub(crate) fn requeued(&self) -> bool {
        match self {
            Self::Ticket(ticket) => ticket.requeued(),
            Self::Items(portion) => !portion.harvest.is_closed(),
        }
    }

    /// True for items of this map.
    pub(crate) fn belongs_to(&self, harvest: &Arc<Harvest>) -> bool {
        matches!(self, Self::Items(portion) if Arc::ptr_eq(&portion.harvest, harvest))
    }
}
