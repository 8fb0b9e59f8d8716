//! A call: a function, its trampoline and its encoded argument.
//!
//! The *trampoline* is the one function that knows the types: it decodes the argument, calls the
//! function and encodes the result. It is generic, so each pair of types has its own, and both
//! are named by their offset in the program's image (see [`crate::image`]).
//!
//! This is one of the crate's few files with unsafe code: it turns addresses into functions.

use std::any::Any;
use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec;
use crate::error::{JoinError, Side};
use crate::frame::{Body, CALL_HEADER, MAX_INLINE};
use crate::image;
use crate::items::Items;
use crate::options::Retry;
use crate::scope::{self, Luggage};
use crate::segment::{Sealed, Segment, SegmentId, random_id};
use crate::target::Target;
use crate::ticket::Ticket;

/// Decodes the argument, runs the function at the address, appends the encoded result.
///
/// # Safety
/// The address must be that of a `fn(A) -> R` for the trampoline's own `A` and `R`.
type Trampoline = unsafe fn(usize, &[u8], &mut Vec<u8>) -> Result<(), Fault>;

/// Why a function cannot be named.
const IN_A_LIBRARY: &str = "the function is not in this program but in a shared library";

/// Why a trampoline has no result.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The argument could not be decoded.
    Argument(String),
    /// The result could not be encoded.
    Result(String),
}

/// A function and its trampoline, as numbers that mean the same in every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Offset of the function.
    pub(crate) function: i64,
    /// Offset of the trampoline.
    pub(crate) trampoline: i64,
}

impl Code {
    /// That of calls of `function`.
    ///
    /// # Errors
    /// The function is not part of the program's image.
    pub(crate) fn of<A, R>(function: fn(A) -> R) -> Result<Self, JoinError>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        Self::of_addresses(function as usize, trampoline::<A, R> as Trampoline)
    }

    /// As numbers.
    fn of_addresses(function: usize, trampoline: Trampoline) -> Result<Self, JoinError> {
        let offset = |address: usize| {
            image::offset_of(address).ok_or_else(|| refused(IN_A_LIBRARY.to_owned()))
        };
        Ok(Self { function: offset(function)?, trampoline: offset(trampoline as usize)? })
    }

    /// The functions themselves, in a worker.
    ///
    /// # Errors
    /// The numbers name no functions of this program.
    pub(crate) fn resolve(self) -> Result<Resolved, Fault> {
        let (function, trampoline) = addresses(self.function, self.trampoline)?;
        // SAFETY: the offsets were made by `Code::of` in a process with the same image fingerprint
        // (the handshake refuses others), so this is the address of some `trampoline::<A, R>`.
        let trampoline = unsafe { std::mem::transmute::<usize, Trampoline>(trampoline) };
        Ok(Resolved { function, trampoline })
    }
}

/// A function and its trampoline, in the process that executes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    /// Address of the function.
    function: usize,
    /// Knows its types.
    trampoline: Trampoline,
}

impl Resolved {
    /// Executes a call: `argument` is encoded, the result is appended to `out`.
    ///
    /// # Errors
    /// The codec failed on the way in or out.
    ///
    /// # Panics
    /// If the function, or a `Deserialize`, `Serialize` or `Drop` of its types, panics.
    pub(crate) fn run(self, argument: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        // SAFETY: `Code::of` took the function as `fn(A) -> R` together with that very trampoline.
        unsafe { (self.trampoline)(self.function, argument, out) }
    }
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
    /// The shared objects inside the argument.
    pub(crate) handles: Vec<Arc<Segment>>,
    /// How long it may run.
    pub(crate) timeout: Option<Duration>,
    /// Whether it is run again.
    pub(crate) retry: Retry,
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

/// An encoded argument.
#[derive(Debug)]
pub(crate) enum Argument {
    /// Short: sent inside the frame.
    Inline(Vec<u8>),
    /// Long: sealed in a memfd that goes ahead on the control socket.
    Sealed(SegmentId, OwnedFd),
    /// Many short ones of calls of the same function.
    Items(Items),
}

impl Argument {
    /// Encodes one; what travels with it comes along.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub(crate) fn encode<A: Serialize>(argument: &A) -> Result<(Vec<u8>, Luggage), JoinError> {
        let (bytes, luggage) = scope::encoding_argument(|| codec::encode(argument));
        Ok((bytes.map_err(refused)?, luggage))
    }

    /// Encoded as `bytes`, which go ahead if they are more than `inline`.
    ///
    /// # Errors
    /// They are more than `max_payload`; no descriptor is left for a large argument.
    pub(crate) fn of(bytes: Vec<u8>, max_payload: usize, inline: usize) -> Result<Self, JoinError> {
        let size = bytes.len();
        if size > max_payload {
            return Err(JoinError::TooLarge { side: Side::Parent, size, limit: max_payload });
        }
        if size <= inline {
            return Ok(Self::Inline(bytes));
        }
        let sealed = random_id().and_then(|id| Ok(Self::Sealed(id, Sealed::write(&bytes)?)));
        sealed.map_err(|error| refused(format!("no shared memory for {size} bytes: {error}")))
    }
}

/// What went wrong with an argument in the parent.
pub(crate) fn refused(message: String) -> JoinError {
    JoinError::Encode { side: Side::Parent, message }
}

impl Call {
    /// Encodes a call of `function` with `argument`; its ticket is new.
    ///
    /// # Errors
    /// The argument cannot be encoded or is above `max_payload`; the function is not part of the
    /// program's image; no descriptor is left for a large argument.
    pub(crate) fn new<A, R>(
        function: fn(A) -> R,
        argument: &A,
        max_payload: usize,
        timeout: Option<Duration>,
    ) -> Result<(Self, Arc<Ticket>), JoinError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        let code = Code::of(function)?;
        let (call, ticket) = Self::encode(code, argument, max_payload, MAX_INLINE)?;
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
        let trampoline = initializer::<A, E> as Trampoline;
        let code = Code::of_addresses(function as usize, trampoline)?;
        Ok(Self::encode(code, argument, max_payload, 0)?.0)
    }

    /// Encodes a call; an argument of more than `inline` bytes goes ahead.
    fn encode<A: Serialize>(
        code: Code,
        argument: &A,
        max_payload: usize,
        inline: usize,
    ) -> Result<(Self, Arc<Ticket>), JoinError> {
        let (bytes, luggage) = Argument::encode(argument)?;
        let argument = Argument::of(bytes, max_payload, inline)?;
        let ticket = Ticket::new(luggage.keepers);
        let target = Target::Ticket(Arc::clone(&ticket));
        let (handles, retry) = (luggage.handles, Retry::default());
        Ok((Self { target, code, argument, handles, timeout: None, retry }, ticket))
    }

    /// How many results it has.
    pub(crate) fn items(&self) -> u16 {
        match &self.argument {
            Argument::Items(items) => items.count(),
            Argument::Inline(_) | Argument::Sealed(..) => 1,
        }
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
            handles: Vec::new(),
            ..*self
        })
    }

    /// What a worker has to know of an initializer.
    pub(crate) fn header(&self) -> Init {
        let argument = match &self.argument {
            Argument::Sealed(id, _fd) => Some(*id),
            Argument::Inline(_) | Argument::Items(_) => None,
        };
        let Code { function, trampoline } = self.code;
        Init { function, trampoline, argument }
    }

    /// Bytes it takes in a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        CALL_HEADER
            + match &self.argument {
                Argument::Inline(bytes) => bytes.len(),
                Argument::Sealed(..) => size_of::<SegmentId>(),
                Argument::Items(items) => items.bytes().len(),
            }
    }

    /// What goes into the frame.
    pub(crate) fn body(&self) -> Body<'_> {
        match &self.argument {
            Argument::Inline(bytes) => Body::Inline(bytes),
            Argument::Sealed(id, _fd) => Body::Payload(*id),
            Argument::Items(items) => Body::Items(items.bytes()),
        }
    }
}

/// A handler of an actor, as a message names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post {
    /// Offset of the handler.
    pub(crate) function: i64,
    /// Offset of its trampoline.
    pub(crate) trampoline: i64,
}

/// As [`Trampoline`], with the state of an actor.
///
/// # Safety
/// The address must be that of a `fn(&mut S, A) -> R` for the trampoline's own types.
type Hand = unsafe fn(usize, &mut dyn Any, &[u8], &mut Vec<u8>) -> Result<(), Fault>;

impl Post {
    /// Names a handler.
    ///
    /// # Errors
    /// It is not part of the program's image.
    pub(crate) fn new<S, A, R>(handler: fn(&mut S, A) -> R) -> Result<Self, String>
    where
        S: 'static,
        A: DeserializeOwned,
        R: Serialize,
    {
        let offset = |address| image::offset_of(address).ok_or_else(|| IN_A_LIBRARY.to_owned());
        let trampoline = hand::<S, A, R> as Hand as usize;
        Ok(Self { function: offset(handler as usize)?, trampoline: offset(trampoline)? })
    }

    /// Executes it in the actor's process.
    ///
    /// # Errors
    /// As [`Resolved::run`].
    ///
    /// # Panics
    /// As [`Resolved::run`].
    pub(crate) fn deliver(
        &self,
        state: &mut dyn Any,
        argument: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let (function, trampoline) = addresses(self.function, self.trampoline)?;
        // SAFETY: the offsets were made by `Post::new` in a process that runs the same image (the
        // handshake refuses others, and only workers get the memory that messages lie in), so this
        // is the address of some `hand::<S, A, R>`.
        let trampoline = unsafe { std::mem::transmute::<usize, Hand>(trampoline) };
        // SAFETY: `Post::new` took the function together with that very trampoline.
        unsafe { trampoline(function, state, argument, out) }
    }
}

/// The trampoline of a handler. Its argument and result hold no shared objects: no scope is open.
///
/// # Safety
/// `function` must be the address of a `fn(&mut S, A) -> R`.
unsafe fn hand<S, A, R>(
    function: usize,
    state: &mut dyn Any,
    argument: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault>
where
    S: 'static,
    A: DeserializeOwned,
    R: Serialize,
{
    let wrong = || Fault::Argument("the state of the actor has another type".to_owned());
    let state = state.downcast_mut::<S>().ok_or_else(wrong)?;
    // SAFETY: as in `trampoline`.
    let function = unsafe { std::mem::transmute::<usize, fn(&mut S, A) -> R>(function) };
    let argument = codec::decode::<A>(argument).map_err(Fault::Argument)?;
    codec::encode_into(&function(state, argument), out).map_err(Fault::Result)
}

/// A function that travels inside of the argument of a call.
#[derive(Debug)]
pub(crate) struct Sent<A, R>(
    /// The function.
    pub(crate) fn(A) -> R,
);

impl<A, R> Serialize for Sent<A, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let offset = image::offset_of(self.0 as usize);
        let offset = offset.ok_or_else(|| serde::ser::Error::custom(IN_A_LIBRARY))?;
        serializer.serialize_i64(offset)
    }
}

/// Only for the argument of a call that this crate makes itself: there, the type is the same on
/// both sides.
impl<'de, A, R> Deserialize<'de> for Sent<A, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let address = image::address_of(i64::deserialize(deserializer)?);
        let outside = || serde::de::Error::custom("no function of this program has that number");
        let address = address.ok_or_else(outside)?;
        // SAFETY: the number was made by `serialize` of the same type, as both sides run the same
        // image, in which the same trampoline decodes what was encoded for it.
        Ok(Self(unsafe { std::mem::transmute::<usize, fn(A) -> R>(address) }))
    }
}

/// The trampoline of one pair of types.
///
/// # Safety
/// `function` must be the address of a `fn(A) -> R`.
unsafe fn trampoline<A, R>(function: usize, argument: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>
where
    A: DeserializeOwned,
    R: Serialize,
{
    // SAFETY: the caller promises that this is the address of a function of exactly this type,
    // and function pointers and `usize` have the same size on every supported platform.
    let function = unsafe { std::mem::transmute::<usize, fn(A) -> R>(function) };
    let argument = scope::decoding(|| codec::decode::<A>(argument)).map_err(Fault::Argument)?;
    let result = function(argument);
    scope::encoding_result(|| codec::encode_into(&result, out)).map_err(Fault::Result)
}

/// The trampoline of one pair of types of an initializer.
///
/// # Safety
/// `function` must be the address of a `fn(A) -> Result<(), E>`.
unsafe fn initializer<A, E>(
    function: usize,
    argument: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault>
where
    A: DeserializeOwned,
    E: Display,
{
    // SAFETY: as in `trampoline`.
    let function = unsafe { std::mem::transmute::<usize, fn(A) -> Result<(), E>>(function) };
    let argument = scope::decoding(|| codec::decode::<A>(argument)).map_err(Fault::Argument)?;
    let result = function(argument).map_err(|error| error.to_string());
    codec::encode_into(&result, out).map_err(Fault::Result)
}

/// The addresses of a function and its trampoline.
///
/// # Errors
/// They are not code of this program.
fn addresses(function: i64, trampoline: i64) -> Result<(usize, usize), Fault> {
    let outside = || Fault::Argument("the call names no function of this program".to_owned());
    let function = image::address_of(function).ok_or_else(outside)?;
    Ok((function, image::address_of(trampoline).ok_or_else(outside)?))
}
