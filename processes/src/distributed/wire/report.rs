//! How a node says that a call has ended.

use serde::{Deserialize, Serialize};

use crate::error::JoinError;

use super::MAX_INLINE;

/// How long the texts of the errors in a report may be, all together.
const MAX_TEXTS: usize = MAX_INLINE / 2;

/// How a call has ended; the values are in the body, one after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::distributed) enum Report {
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
    pub(in crate::distributed) fn shorten(&mut self) {
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
pub(in crate::distributed) struct Part {
    /// The first one, counted in its call.
    pub(in crate::distributed) first: u16,
    /// How many.
    pub(in crate::distributed) count: u16,
    /// What.
    pub(in crate::distributed) end: End,
}

/// How some items in a row have ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::distributed) enum End {
    /// So many bytes of the body are their result frames ([`crate::frame`]).
    Values(u64),
    /// So many bytes of the body are the value of the only one.
    Value(u64),
    /// All alike.
    Failed(JoinError),
}

#[cfg(test)]
mod tests {
    use super::super::pack;
    use super::*;

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
}
