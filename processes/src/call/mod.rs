//! A call: a function, its trampoline and its encoded argument.

mod argument;
mod code;
mod post;

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arena::Arena;
use crate::arena::places::Brought;
use crate::error::{JoinError, Side};
use crate::frame::{Body, CALL_HEADER};
use crate::options::Retry;
use crate::segment::{Segment, SegmentId};
use crate::target::Target;
use crate::ticket::Ticket;

pub(crate) use argument::{Argument, Ways, without_memory};
pub(crate) use code::{Code, Encoded, Resolved, Sent};
pub(crate) use post::Post;

/// Why a function cannot be named.
const IN_A_LIBRARY: &str = "the function is not in this program but in a shared library";

/// Why a trampoline has no result.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The argument could not be decoded.
    Argument(String),
    /// This process has no descriptor or no memory left for what belongs to the argument. Nothing was
    /// executed.
    Unreceived(String),
    /// The result could not be encoded.
    Result(String),
}

/// A call, ready to be sent, perhaps more than once: until it is claimed it may go back into
/// the queue.
#[derive(Debug)]
pub(crate) struct Call {
    /// Where the outcome goes.
    pub(crate) target: Target,
    /// What is called.
    pub(crate) code: Code,
    /// The encoded argument.
    pub(crate) argument: Argument,
    /// The buffers inside the argument.
    pub(crate) brought: Brought,
    /// The shared objects inside the argument.
    pub(crate) handles: Vec<Arc<Segment>>,
    /// How long it may run.
    pub(crate) timeout: Option<Duration>,
    /// Whether it is run again.
    pub(crate) retry: Retry,
    /// How many workers had no descriptor left for what belongs to it.
    pub(crate) turned_away: u8,
}

/// An initializer, as a worker is told of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Init {
    /// Offset of the function.
    pub(crate) function: i64,
    /// Offset of the trampoline.
    pub(crate) trampoline: i64,
    /// The payload with the encoded argument, unless that is empty.
    pub(crate) argument: Option<SegmentId>,
}

/// What went wrong with an argument in the parent.
pub(crate) fn refused(message: String) -> JoinError {
    JoinError::Encode { side: Side::Parent, message }
}

impl Call {
    /// Encodes a call of `function` with `argument`; its ticket is new.
    ///
    /// # Errors
    /// The argument cannot be encoded or is too long; the function is not part of the program's
    /// image; no memory is left for a large argument.
    pub(crate) fn new<A, R>(
        function: fn(A) -> R,
        argument: &A,
        ways: Ways<'_>,
        timeout: Option<Duration>,
    ) -> Result<(Self, Arc<Ticket>), JoinError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        let code = Code::of(function)?;
        let (call, ticket) = Self::encode(code, argument, ways)?;
        Ok((Self { timeout, ..call }, ticket))
    }

    /// Encodes the call of an initializer, whose argument goes ahead unless it is empty.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn initializer<A, E>(
        function: fn(A) -> Result<(), E>,
        argument: &A,
        max_payload: usize,
    ) -> Result<Self, JoinError>
    where
        A: Serialize + DeserializeOwned,
        E: Display,
    {
        let ways = Ways { max_payload, inline: 0, arena: None };
        let (mut call, _ticket) = Self::encode(Code::of_initializer(function)?, argument, ways)?;
        let size = call.argument.len();
        call.argument.set_out(None).map_err(|error| without_memory(size, &error))?;
        Ok(call)
    }

    /// Encodes a call.
    fn encode<A: Serialize>(
        code: Code,
        argument: &A,
        ways: Ways<'_>,
    ) -> Result<(Self, Arc<Ticket>), JoinError> {
        let (argument, luggage, brought) = Argument::encode(argument, ways)?;
        let ticket = Ticket::new(luggage.keepers);
        let target = Target::Ticket(Arc::clone(&ticket));
        let (handles, retry) = (luggage.handles, Retry::default());
        let (timeout, turned_away) = (None, 0);
        let call = Self { target, code, argument, brought, handles, timeout, retry, turned_away };
        Ok((call, ticket))
    }

    /// How many results it has.
    pub(crate) fn items(&self) -> u16 {
        self.argument.items()
    }

    /// Keeps the first `count` items and makes a call of the others; none when there are no others.
    pub(crate) fn split_off(&mut self, count: u16) -> Option<Self> {
        let (Argument::Items(items), Target::Items(portion)) = (&mut self.argument, &self.target)
        else {
            return None;
        };
        let others = items.split_off(count)?;
        Some(Self {
            target: Target::Items(portion.after(count)),
            argument: Argument::Items(others),
            brought: Brought::Nothing,
            handles: Vec::new(),
            ..*self
        })
    }

    /// One of many items as a call of its own.
    pub(crate) fn nth(&self, n: u16) -> Option<Self> {
        let (Argument::Items(items), Target::Items(portion)) = (&self.argument, &self.target)
        else {
            return None;
        };
        let mut item = items.clone().split_off(n)?;
        let _others = item.split_off(1);
        Some(Self {
            target: Target::Items(portion.after(n)),
            argument: Argument::Items(item),
            brought: Brought::Nothing,
            handles: Vec::new(),
            ..*self
        })
    }

    /// It is about to be sent to a worker that sees this arena, or none: its argument goes to where that
    /// worker finds it. Of items with lists of buffers, a worker that sees none can be sent one at a time.
    ///
    /// # Errors
    /// No descriptor or memory is left for copies.
    pub(crate) fn set_out(&mut self, arena: Option<&Arc<Arena>>) -> io::Result<()> {
        if arena.is_none() {
            self.stand_alone();
            self.argument.leave_arena(&mut self.brought)?;
        }
        self.argument.set_out(arena)
    }

    /// The only item of a frame becomes a single argument if it brings buffers: those of such a one can be
    /// copied.
    fn stand_alone(&mut self) {
        if let (Argument::Items(items), Target::Items(portion)) = (&self.argument, &self.target)
            && let Some(bytes) = items.only_listed()
            && let Some(freight) = &portion.freight
        {
            self.brought = freight.brought(portion.first);
            self.argument = Argument::Inline(bytes.to_vec());
        }
    }

    /// Whether it is items of which some bring buffers.
    pub(crate) fn has_lists(&self) -> bool {
        matches!(&self.argument, Argument::Items(items) if items.are_listed())
    }

    /// Whether its frame says that there are lists of buffers.
    pub(crate) fn has_places(&self) -> bool {
        self.brought.is_listed() || self.has_lists()
    }

    /// True when its argument is in a descriptor of its own, or will be when it is sent to a worker that
    /// sees this arena, or none. One that waits may find room in the arena.
    pub(crate) fn is_sealed(&self, arena: Option<&Arc<Arena>>) -> bool {
        match &self.argument {
            Argument::Sealed(..) => true,
            Argument::Arena(_) | Argument::Waiting(_) => arena.is_none(),
            Argument::Inline(_) => arena.is_none() && matches!(self.brought, Brought::Listed(..)),
            Argument::Items(items) => arena.is_none() && items.are_listed(),
        }
    }

    /// True when something goes ahead of it for which its worker needs a descriptor.
    pub(crate) fn sends_descriptors(&self) -> bool {
        !self.handles.is_empty() || matches!(self.argument, Argument::Sealed(..))
    }

    /// What a worker has to know of an initializer.
    pub(crate) fn header(&self) -> Init {
        let argument = match &self.argument {
            Argument::Sealed(id, _fd) => Some(*id),
            Argument::Inline(_)
            | Argument::Arena(_)
            | Argument::Items(_)
            | Argument::Waiting(_) => None,
        };
        let Code { function, trampoline } = self.code;
        Init { function, trampoline, argument }
    }

    /// Bytes it takes in a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        CALL_HEADER + self.argument.frame_bytes()
    }

    /// What goes into the frame.
    pub(crate) fn body(&self) -> Body<'_> {
        self.argument.body()
    }
}
