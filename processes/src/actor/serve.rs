//! The actor's side: one process makes the state and executes what comes out of the mailbox.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::call::{Fault, Post, Sent};
use crate::codec;
use crate::worker;

use super::mailbox::{Mailbox, Slot};

/// Bytes of a message before its argument: slot, turn, and the two offsets of the handler.
pub(super) const HEADER: usize = 32;

/// In place of a slot: nobody waits.
const NOBODY: u64 = u64::MAX;

/// The longest text of an error that travels.
const LONGEST_TEXT: usize = 2048;

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The encoded result.
    Value = 1,
    /// The encoded message and location of a panic.
    Panicked,
    /// Why the argument could not be decoded.
    BadArgument,
    /// Why the result could not be encoded.
    BadResult,
    /// The encoded size of a result that is too large.
    TooLarge,
}

impl Kind {
    /// The kind with this number.
    pub(super) fn of(number: u8) -> Option<Self> {
        let all = [Self::Value, Self::Panicked, Self::BadArgument, Self::BadResult, Self::TooLarge];
        all.into_iter().find(|&kind| kind as u8 == number)
    }
}

/// Why an actor's process has ended by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stop {
    /// There will be no more messages.
    Asked,
    /// A handler has panicked.
    Panicked(String),
}

/// A message without its argument, to nobody's slot.
pub(super) fn header(post: &Post) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + 64);
    message.extend_from_slice(&NOBODY.to_le_bytes());
    message.extend_from_slice(&0_u64.to_le_bytes());
    message.extend_from_slice(&post.function.to_le_bytes());
    message.extend_from_slice(&post.trampoline.to_le_bytes());
    message
}

/// A message with the slot for its reply.
pub(super) fn addressed<'a>(message: &'a [u8], slot: Option<&Slot>) -> std::borrow::Cow<'a, [u8]> {
    let Some(slot) = slot else { return message.into() };
    let mut message = message.to_vec();
    message[..8].copy_from_slice(&(slot.number as u64).to_le_bytes());
    message[8..16].copy_from_slice(&slot.turn.to_le_bytes());
    message.into()
}

/// A message taken apart: who waits, what is to be called, its argument.
fn parse(message: &[u8]) -> Option<(Option<Slot>, Post, &[u8])> {
    let (header, argument) = message.split_at_checked(HEADER)?;
    let word = |index: usize| {
        let bytes = header[8 * index..8 * index + 8].try_into();
        u64::from_le_bytes(bytes.expect("eight bytes"))
    };
    let number = usize::try_from(word(0)).ok();
    let slot = number.filter(|_| word(0) != NOBODY).map(|number| Slot { number, turn: word(1) });
    let post = Post { function: word(2).cast_signed(), trampoline: word(3).cast_signed() };
    Some((slot, post, argument))
}

/// The body of the actor's process.
pub(super) fn serve<A, S: 'static>((mailbox, init, x): (Mailbox, Sent<A, S>, A)) -> Stop {
    mailbox.begin();
    let mut state = (init.0)(x);
    let mut end = Stop::Asked;
    while let Some(message) = mailbox.take() {
        let Some((slot, post, argument)) = parse(&message) else { continue };
        let (kind, bytes) = execute(&mut state, &post, argument, mailbox.max_message());
        if let Some(slot) = slot {
            mailbox.reply(&slot, kind as u8, &bytes);
        }
        if kind == Kind::Panicked {
            let report: Result<(String, Option<String>), _> = codec::decode(&bytes);
            end = Stop::Panicked(report.map(|(message, _)| message).unwrap_or_default());
            break;
        }
    }
    // Half-changed as it may be after a panic, it is dropped like any other; if that panics, too,
    // the owner hears of it as of any failure.
    drop(state);
    end
}

/// Executes one message: what to reply.
fn execute(state: &mut dyn Any, post: &Post, argument: &[u8], limit: usize) -> (Kind, Vec<u8>) {
    let mut out = Vec::new();
    let run = AssertUnwindSafe(|| post.deliver(state, argument, &mut out));
    let text = |reason: String| worker::shorten(reason, LONGEST_TEXT).into_bytes();
    match catch_unwind(run) {
        Ok(Ok(())) if out.len() > limit => {
            (Kind::TooLarge, codec::encode(&out.len()).expect("a number can be encoded"))
        }
        Ok(Ok(())) => (Kind::Value, out),
        Ok(Err(Fault::Argument(reason) | Fault::Unreceived(reason))) => {
            (Kind::BadArgument, text(reason))
        }
        Ok(Err(Fault::Result(reason))) => (Kind::BadResult, text(reason)),
        Err(payload) => {
            let (message, location) = worker::report(payload);
            let report = (worker::shorten(message, LONGEST_TEXT), location);
            (Kind::Panicked, codec::encode(&report).expect("texts can be encoded"))
        }
    }
}
