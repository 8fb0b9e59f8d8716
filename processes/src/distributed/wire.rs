//! What clients and nodes say to each other.
//!
//! A message is a *head*, encoded like any value (see [`crate::codec`]), and a *body*, bytes as they are:
//!
//! ```text
//! length of the head u32, little-endian | head | body
//! ```
//!
//! The body of a call is its encoded argument, or the items of a frame ([`crate::items`]). A body above
//! [`MAX_INLINE`] is an object in the store, and the message has none.
//!
//! What a node says to a client is collected while it has other things to do, and goes as one *letter*. Its
//! head is a [`Sender`], its body one or more of
//!
//! ```text
//! length u32, little-endian | a message: head (Said), body
//! ```
//!
//! The client's [`Answers`] to one letter, or to several, are one message, too. So many calls share what
//! a message costs, each way.

mod letter;
mod report;

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::options::Retry;

pub(super) use letter::{ENVELOPE, Letter, all_said};
pub(super) use report::{End, Part, Report};

/// The version of all this. A call of another one is refused, and offered to other nodes. What all versions
/// keep to is in [`super::refusal`].
pub(super) const VERSION: u8 = 5;

/// The longest body inside of a message; brokers take messages of 1 MiB unless told otherwise.
pub(super) const MAX_INLINE: usize = 512 * 1024;

/// The longest message that brokers have to take: the body, and a head with the texts of many errors.
pub(super) const NEEDED: usize = 1_000_000;

/// The longest name of a node, in bytes; a host has one of 64 at most. Who says a longer one is not listened
/// to.
pub(super) const LONGEST_NAME: usize = 256;

/// Which call, of which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct CallId {
    /// A random number.
    pub(super) client: u128,
    /// Counts the calls of the client.
    pub(super) number: u64,
}

impl CallId {
    /// The call of a message with this name: that of the call, and how often it was sent again. All
    /// versions keep to that.
    pub(super) fn of_message(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let client = u128::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self { client, number: parts.next()?.parse().ok()? })
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}.{}", self.client, self.number)
    }
}

/// The head of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CallHead {
    /// [`VERSION`]; the first byte of all versions, see [`version_of`].
    pub(super) version: u8,
    /// Which call.
    pub(super) id: CallId,
    /// The function.
    pub(super) name: String,
    /// The hash of its name and types.
    pub(super) schema: u64,
    /// How long each attempt, or each item, may run.
    pub(super) limit: Option<Duration>,
    /// When the node runs it again.
    pub(super) retry: Retry,
    /// How many items of a map the body holds; none: it is the argument of a single call.
    pub(super) items: Option<u16>,
    /// The length of the body, if that is in the store.
    pub(super) stored: Option<u64>,
}

/// Who has written a letter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sender {
    /// Host, process, and digits at random: no two nodes have the same.
    pub(super) node: String,
}

/// What a node says to a client about a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Said {
    /// The call.
    pub(super) number: u64,
    /// What.
    pub(super) news: News,
}

/// What a node says about a call. A *ticket* names a question; its answer has the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum News {
    /// The node has it: may it begin? Answered by a [`Verdict`]. Asked again when there is no answer, which
    /// is the same for the same node and attempt.
    Begin {
        /// The ticket.
        ticket: u64,
        /// Names the attempt: the ticket of its first question.
        first: u64,
    },
    /// The node does not know the function, knows another of that name, or has no memory for the argument.
    Refused(String),
    /// The call was delivered before: what is to become of it, if the node could begin it? Answered by a
    /// [`Verdict`].
    Again {
        /// The ticket.
        ticket: u64,
        /// The attempt of this node that it has asked for and not begun, if there is one.
        unbegun: Option<u64>,
    },
    /// It has ended. Said again until it is confirmed.
    Done {
        /// How.
        report: Report,
        /// How long workers were busy with it; of many calls at a time, its share.
        busy: Duration,
        /// The length of the body, if that is in the store.
        stored: Option<u64>,
    },
    /// The node does not have it, or not any more. Said when it does not wait any longer for the answer to
    /// [`Begin`](Self::Begin), when it gives the call back, and when the client asks ([`Shout::Have`]).
    NotHere {
        /// The attempt of this node that it has asked for and not begun, if there is one.
        unbegun: Option<u64>,
    },
    /// Workers have had it for a while: is it still wanted? Answered by a [`Verdict`].
    Runs {
        /// The ticket.
        ticket: u64,
    },
}

/// What a client says about a call that a node wants to begin, that was delivered again, or that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Execute it, or go on.
    Go,
    /// Another node has begun it and is there: offer it again later. Of one that runs: go on with what has
    /// begun of it, and begin no more.
    Wait,
    /// It has ended, or nobody wants it any more. One that runs is killed.
    Drop,
    /// It has lost too many nodes.
    Poison,
}

/// What a client answers to letters of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answers {
    /// The client.
    pub(super) client: u128,
    /// The tickets of questions, and what is to be done.
    pub(super) verdicts: Vec<(u64, Verdict)>,
    /// The calls whose results have arrived.
    pub(super) confirmed: Vec<u64>,
}

/// What a client says to all nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Shout {
    /// Say who you are.
    Who,
    /// Do not begin this call; of items of a map, do not begin those that are not begun.
    Withdraw(CallId),
    /// End this call, or these items, also if they run.
    Kill(CallId),
    /// This client ends: it wants nothing any more.
    Bye(u128),
    /// If you are this node: say so ([`News::NotHere`]) if you do not have this call.
    Have(CallId, String),
}

/// What a node says to all clients, from time to time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Here {
    /// Who.
    pub(super) node: String,
    /// How many workers it has for more calls; none: it takes no more.
    pub(super) slots: u32,
}

/// A message.
pub(super) fn pack<T: Serialize>(head: &T, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 4];
    codec::encode_into(head, &mut message).expect("heads can be encoded");
    let length = u32::try_from(message.len() - 4).expect("heads are short");
    message[..4].copy_from_slice(&length.to_le_bytes());
    message.extend_from_slice(body);
    message
}

/// Head and body of a message.
///
/// # Errors
/// It is none.
pub(super) fn unpack<T: DeserializeOwned>(message: &[u8]) -> Result<(T, &[u8]), String> {
    let short = || "the message is too short".to_owned();
    let (length, rest) = message.split_first_chunk::<4>().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| short())?;
    let (head, body) = rest.split_at_checked(length).ok_or_else(short)?;
    Ok((codec::decode(head)?, body))
}

/// Says that a broker does not take messages that are long enough.
pub(super) fn too_narrow(max_payload: usize) -> String {
    format!(
        "it takes messages of at most {max_payload} bytes, and {NEEDED} are needed: set \
         `max_payload: 1MB`, its default, in the configuration of the broker"
    )
}

/// The version of a call, which may be another one.
pub(super) fn version_of(message: &[u8]) -> Option<u8> {
    message.get(4).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_name_of_a_call_are_where_all_versions_look_for_them() {
        let id = CallId { client: u128::MAX - 3, number: 1 << 40 };
        let head = CallHead {
            version: 77,
            id,
            name: String::new(),
            schema: 0,
            limit: None,
            retry: Retry::default(),
            items: None,
            stored: None,
        };
        assert_eq!(version_of(&pack(&head, b"body")), Some(77));
        assert_eq!(version_of(b"1234"), None);
        assert_eq!(CallId::of_message(&format!("{id}.3")), Some(id));
        assert_eq!(CallId::of_message("no call"), None);
    }

    #[test]
    fn a_message_survives_the_trip_and_no_cut() {
        let here = Here { node: "n".to_owned(), slots: 7 };
        let message = pack(&here, b"body");
        let (back, body) = unpack::<Here>(&message).unwrap();
        assert_eq!((back.node.as_str(), back.slots, body), ("n", 7, b"body".as_slice()));
        for length in 0..message.len() - b"body".len() {
            assert!(unpack::<Here>(&message[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_length_that_is_a_lie_is_refused() {
        let mut message = pack(&Here { node: String::new(), slots: 0 }, b"");
        message[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack::<Here>(&message).is_err());
    }
}
