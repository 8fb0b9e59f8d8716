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
use crate::options::Retry;
use crate::scope;
use crate::segment::{Sealed, Segment, SegmentId, random_id};
use crate::ticket::Ticket;

/// Decodes the argument, runs the function at the address, appends the encoded result.
///
/// # Safety
/// The address must be that of a `fn(A) -> R` for the trampoline's own `A` and `R`.
type Trampoline = unsafe fn(usize, &[u8], &mut Vec<u8>) -> Result<(), Fault>;

/// Why a function cannot be named.
const IN_A_LIBRARY: &str = "the function is not in this program but in a shared library";

/// Why a trampoline has no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The argument could not be decoded.
    Argument(String),
    /// The result could not be encoded.
    Result(String),
}

/// A call, ready to be sent, perhaps more than once: until it is claimed it may go back into
/// the queue.
#[derive(Debug)]
pub(crate) struct Call {
    /// Where the outcome goes.
    pub(crate) ticket: Arc<Ticket>,
    /// Offset of the function.
    pub(crate) function: i64,
    /// Offset of the trampoline.
    pub(crate) trampoline: i64,
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
}

impl Call {
    /// Encodes a call of `function` with `argument`.
    ///
    /// # Errors
    /// The argument cannot be encoded or is above `max_payload`; the function is not part of the
    /// program's image; no descriptor is left for a large argument.
    pub(crate) fn new<A, R>(
        function: fn(A) -> R,
        argument: &A,
        max_payload: usize,
        timeout: Option<Duration>,
    ) -> Result<Self, JoinError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize,
    {
        let addresses = (function as usize, trampoline::<A, R> as Trampoline);
        let call = Self::encode(addresses, argument, max_payload, MAX_INLINE)?;
        Ok(Self { timeout, ..call })
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
        let addresses = (function as usize, initializer::<A, E> as Trampoline);
        Self::encode(addresses, argument, max_payload, 0)
    }

    /// Encodes a call; an argument of more than `inline` bytes goes ahead.
    fn encode<A: Serialize>(
        (function, trampoline): (usize, Trampoline),
        argument: &A,
        max_payload: usize,
        inline: usize,
    ) -> Result<Self, JoinError> {
        let refuse = |message: String| JoinError::Encode { side: Side::Parent, message };
        let offset = |address: usize| {
            image::offset_of(address).ok_or_else(|| refuse(IN_A_LIBRARY.to_owned()))
        };
        let (function, trampoline) = (offset(function)?, offset(trampoline as usize)?);
        let (bytes, luggage) = scope::encoding_argument(|| codec::encode(argument));
        let bytes = bytes.map_err(refuse)?;
        if bytes.len() > max_payload {
            let size = bytes.len();
            return Err(JoinError::TooLarge { side: Side::Parent, size, limit: max_payload });
        }
        let argument = if bytes.len() <= inline {
            Argument::Inline(bytes)
        } else {
            let sealed = random_id().and_then(|id| Ok((id, Sealed::write(&bytes)?)));
            let (id, fd) = sealed.map_err(|error| {
                refuse(format!("no shared memory for {} bytes: {error}", bytes.len()))
            })?;
            Argument::Sealed(id, fd)
        };
        let ticket = Ticket::new(luggage.keepers);
        let (handles, retry) = (luggage.handles, Retry::default());
        Ok(Self { ticket, function, trampoline, argument, handles, timeout: None, retry })
    }

    /// What a worker has to know of an initializer.
    pub(crate) fn header(&self) -> Init {
        let argument = match &self.argument {
            Argument::Inline(_empty) => None,
            Argument::Sealed(id, _fd) => Some(*id),
        };
        Init { function: self.function, trampoline: self.trampoline, argument }
    }

    /// Bytes it takes in a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        CALL_HEADER
            + match &self.argument {
                Argument::Inline(bytes) => bytes.len(),
                Argument::Sealed(..) => size_of::<SegmentId>(),
            }
    }

    /// What goes into the frame.
    pub(crate) fn body(&self) -> Body<'_> {
        match &self.argument {
            Argument::Inline(bytes) => Body::Inline(bytes),
            Argument::Sealed(id, _fd) => Body::Payload(*id),
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
    /// As [`execute`].
    ///
    /// # Panics
    /// As [`execute`].
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

/// Executes a call in a worker: `argument` is encoded, the result is appended to `out`.
///
/// # Errors
/// The codec failed on the way in or out.
///
/// # Panics
/// If the function, or a `Deserialize`, `Serialize` or `Drop` of its types, panics.
pub(crate) fn execute(
    function: i64,
    trampoline: i64,
    argument: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let (function, trampoline) = addresses(function, trampoline)?;
    // SAFETY: the offsets were made by `Call::new` in a process with the same image fingerprint
    // (the handshake refuses others), so this is the address of some `trampoline::<A, R>`.
    let trampoline = unsafe { std::mem::transmute::<usize, Trampoline>(trampoline) };
    // SAFETY: `Call::new` took the function as `fn(A) -> R` together with that very trampoline.
    unsafe { trampoline(function, argument, out) }
}
