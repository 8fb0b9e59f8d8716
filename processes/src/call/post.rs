//! Handlers of actors: functions of a state and an argument.
//!
//! This is one of the crate's few files with unsafe code: it turns addresses into functions.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::image;

use super::code::addresses;
use super::{Fault, IN_A_LIBRARY};

/// A handler of an actor, as a message names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post {
    /// Offset of the handler.
    pub(crate) function: i64,
    /// Offset of its trampoline.
    pub(crate) trampoline: i64,
}

/// As `Trampoline`, with the state of an actor.
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
    /// As [`Resolved::run`](super::Resolved::run).
    ///
    /// # Panics
    /// As [`Resolved::run`](super::Resolved::run).
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
