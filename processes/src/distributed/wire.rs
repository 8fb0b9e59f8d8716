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

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::JoinError;
use crate::options::Retry;

/// The version of all this. A call of another one is refused, and offered to other nodes. What all versions
/// keep to is in [`super::refusal`].
pub(super) const VERSION: u8 = 4;

/// The longest body inside of a message; brokers take messages of 1 MiB unless told otherwise.
pub(super) const MAX_INLINE: usize = 512 * 1024;

/// The longest message that brokers have to take: the body, and a head with the texts of many errors.
pub(super) const NEEDED: usize = 1_000_000;

/// How long the texts of the errors in a report may be, all together.
const MAX_TEXTS: usize = MAX_INLINE / 2;

/// How long a letter may be that says more than one thing.
const MAX_LETTER: usize = MAX_INLINE;

/// A letter that says one thing is so much longer than that, at most.
pub(super) const ENVELOPE: usize = 1024;

/// How many things a letter may say.
const MAX_SAID: usize = 256;

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
    /// The node does not know the function, or knows another of that name.
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
    /// [`Begin`](Self::Begin), and when the client asks ([`Shout::Have`]).
    NotHere {
        /// The attempt of this node that it has asked for and not begun, if there is one.
        unbegun: Option<u64>,
    },
}

/// How a call has ended; the values are in the body, one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// A single call; the body is the value.
    One(Result<(), JoinError>),
    /// Items.
    Items {
        /// What became of them.
        parts: Vec<Part>,
        /// How many were timed, and how many nanoseconds they took together.
        timing: Option<(u16, u64)>,
    },
}

impl Report {
    /// Cuts the texts of errors where all of them would not fit into a message. They are in its head,
    /// which, unlike its body, cannot be in the store.
    pub(super) fn shorten(&mut self) {
        let Self::Items { parts, .. } = self else { return };
        let mut texts = Vec::new();
        for part in parts {
            if let End::Failed(error) = &mut part.end {
                texts_of(error, &mut texts);
            }
        }
        if texts.iter().map(|text| text.len()).sum::<usize>() > MAX_TEXTS {
            let longest = MAX_TEXTS / texts.len();
            for text in texts {
                text.truncate(text.floor_char_boundary(longest));
            }
        }
    }
}

/// The texts of an error that may be long.
fn texts_of<'a>(error: &'a mut JoinError, into: &mut Vec<&'a mut String>) {
    match error {
        JoinError::Panicked { message, location, backtrace } => {
            into.push(message);
            into.extend(location.iter_mut().chain(backtrace));
        }
        JoinError::Poison { last, .. } => texts_of(last, into),
        JoinError::WorkerLost { stderr: text, .. }
        | JoinError::Encode { message: text, .. }
        | JoinError::Decode { message: text, .. }
        | JoinError::Broken { reason: text }
        | JoinError::NodeLost { reason: text }
        | JoinError::NotServed { reason: text } => into.push(text),
        JoinError::Cancelled | JoinError::TimedOut { .. } | JoinError::TooLarge { .. } => {}
    }
}

/// What became of some items in a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    /// The first one, counted in its call.
    pub(super) first: u16,
    /// How many.
    pub(super) count: u16,
    /// What.
    pub(super) end: End,
}

/// How some items in a row have ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum End {
    /// So many bytes of the body are their result frames ([`crate::frame`]).
    Values(u64),
    /// So many bytes of the body are the value of the only one.
    Value(u64),
    /// All alike.
    Failed(JoinError),
}

/// What a client says about a call that a node wants to begin, or that was delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Execute it.
    Go,
    /// Another node has begun it and is there: offer it again later.
    Wait,
    /// It has ended, or nobody wants it any more.
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
    /// Do not begin this call.
    Withdraw(CallId),
    /// End this call, also if it runs.
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
    /// How many workers it has; none: it leaves.
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

/// A letter that is being written.
#[derive(Debug)]
pub(super) struct Letter {
    /// The message so far.
    message: Vec<u8>,
    /// How many things it says.
    said: usize,
    /// How long it may be.
    longest: usize,
}

impl Letter {
    /// One of this node, that says nothing yet, to a broker that takes messages of so many bytes.
    pub(super) fn of(node: &str, longest: usize) -> Self {
        let message = pack(&Sender { node: node.to_owned() }, &[]);
        Self { message, said: 0, longest: longest.min(MAX_LETTER) }
    }

    /// Whether it may say this, too; the first thing it may say in any case.
    pub(super) fn takes(&self, said: &[u8]) -> bool {
        self.said == 0
            || self.said < MAX_SAID && self.message.len() + 4 + said.len() <= self.longest
    }

    /// Adds something that is said: a packed [`Said`] with its body.
    pub(super) fn add(&mut self, said: &[u8]) {
        let length = u32::try_from(said.len()).expect("bodies are in the store when they are long");
        self.message.extend_from_slice(&length.to_le_bytes());
        self.message.extend_from_slice(said);
        self.said += 1;
    }

    /// The message; none if it says nothing.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (self.said > 0).then_some(self.message)
    }
}

/// What the body of a letter says, with the bodies of that, up to what cannot be read.
pub(super) fn all_said(mut letter: &[u8]) -> impl Iterator<Item = (Said, &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = letter.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (message, rest) = rest.split_at_checked(length)?;
        letter = rest;
        unpack(message).ok()
    })
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
    fn errors_of_many_items_fit_into_a_message() {
        let report = |count, length: usize| {
            let failed = JoinError::Panicked {
                message: "\u{4f60}".repeat(length / 3),
                location: Some("file:1:2".to_owned()),
                backtrace: None,
            };
            let part = |first| Part { first, count: 1, end: End::Failed(failed.clone()) };
            let parts = (0..count).map(part).collect();
            let mut report = Report::Items { parts, timing: None };
            let before = pack(&report, &[]).len();
            report.shorten();
            (before, pack(&report, &[]).len())
        };
        let (before, after) = report(1000, 16_000);
        assert!(before > 16_000_000 && after < MAX_INLINE, "{before} {after}");
        let (before, after) = report(10, 16_000);
        assert_eq!(before, after, "they fit");
    }

    #[test]
    fn the_longest_report_fits_into_a_message() {
        let failed = JoinError::Panicked {
            message: "m".repeat(50),
            location: Some("l".repeat(50)),
            backtrace: Some("b".repeat(50)),
        };
        let end = |first: u16| match first % 2 {
            0 => End::Values(u64::from(u16::MAX)),
            _ => End::Failed(failed.clone()),
        };
        let part = |first| Part { first, count: 1, end: end(first) };
        let mut report = Report::Items { parts: (0..u16::MAX).map(part).collect(), timing: None };
        report.shorten();
        let news = News::Done { report, busy: Duration::MAX, stored: Some(u64::MAX) };
        let said = pack(&Said { number: u64::MAX, news }, &[]);
        assert!(said.len() + ENVELOPE <= NEEDED, "{}", said.len());
        let mut letter = Letter::of(&"n".repeat(200), NEEDED);
        letter.add(&said);
        assert!(letter.finish().unwrap().len() <= said.len() + ENVELOPE);
    }

    #[test]
    fn a_letter_says_what_it_was_given_as_long_as_it_takes_it() {
        let done = |number, body: &[u8]| {
            let report = Report::One(Ok(()));
            let news = News::Done { report, busy: Duration::ZERO, stored: None };
            pack(&Said { number, news }, body)
        };
        let mut letter = Letter::of("n", NEEDED);
        assert!(
            Letter::of("n", NEEDED).finish().is_none() && letter.takes(&vec![0; 2 * MAX_LETTER])
        );
        letter.add(&done(1, b"one"));
        letter.add(&done(2, b""));
        assert!(!letter.takes(&vec![0; MAX_LETTER]), "it would be too long");
        let message = letter.finish().unwrap();
        let (sender, rest) = unpack::<Sender>(&message).unwrap();
        let said =
            |rest| all_said(rest).map(|(said, body)| (said.number, body)).collect::<Vec<_>>();
        assert_eq!((sender.node.as_str(), said(rest)), ("n", vec![(1, &b"one"[..]), (2, b"")]));
        // What comes after something that cannot be read is not guessed at.
        let first = done(1, b"one").len() + 4;
        for length in 0..rest.len() {
            assert_eq!(said(&rest[..length]).len(), usize::from(length >= first), "{length}");
        }
        let mut narrow = Letter::of("n", 100);
        narrow.add(&[0; 80]);
        assert!(!narrow.takes(&[0; 20]), "the broker takes less");
        let mut many = Letter::of("n", NEEDED);
        let count = std::iter::repeat_with(|| many.takes(b"x").then(|| many.add(b"x")));
        assert_eq!(count.take_while(Option::is_some).count(), MAX_SAID);
    }

    #[test]
    fn a_length_that_is_a_lie_is_refused() {
        let mut message = pack(&Here { node: String::new(), slots: 0 }, b"");
        message[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(unpack::<Here>(&message).is_err());
    }
}
