//! What a node says to a client, many things at a time.

use super::{MAX_INLINE, Said, Sender, pack, unpack};

/// How long a letter may be that says more than one thing.
const MAX_LETTER: usize = MAX_INLINE;

/// A letter that says one thing is so much longer than that, at most.
pub(in crate::distributed) const ENVELOPE: usize = 1024;

/// How many things a letter may say.
const MAX_SAID: usize = 256;

/// A letter that is being written.
#[derive(Debug)]
pub(in crate::distributed) struct Letter {
    /// The message so far.
    message: Vec<u8>,
    /// How many things it says.
    said: usize,
    /// How long it may be.
    longest: usize,
}

impl Letter {
    /// One of this node, that says nothing yet, to a broker that takes messages of so many bytes.
    pub(in crate::distributed) fn of(node: &str, longest: usize) -> Self {
        let message = pack(&Sender { node: node.to_owned() }, &[]);
        Self { message, said: 0, longest: longest.min(MAX_LETTER) }
    }

    /// Whether it may say this, too; the first thing it may say in any case.
    pub(in crate::distributed) fn takes(&self, said: &[u8]) -> bool {
        self.said == 0
            || self.said < MAX_SAID && self.message.len() + 4 + said.len() <= self.longest
    }

    /// Adds something that is said: a packed [`Said`] with its body.
    pub(in crate::distributed) fn add(&mut self, said: &[u8]) {
        let length = u32::try_from(said.len()).expect("bodies are in the store when they are long");
        self.message.extend_from_slice(&length.to_le_bytes());
        self.message.extend_from_slice(said);
        self.said += 1;
    }

    /// The message; none if it says nothing.
    pub(in crate::distributed) fn finish(self) -> Option<Vec<u8>> {
        (self.said > 0).then_some(self.message)
    }
}

/// What the body of a letter says, with the bodies of that, up to what cannot be read.
pub(in crate::distributed) fn all_said(mut letter: &[u8]) -> impl Iterator<Item = (Said, &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = letter.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (message, rest) = rest.split_at_checked(length)?;
        letter = rest;
        unpack(message).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{End, NEEDED, News, Part, Report};
    use super::*;
    use crate::error::JoinError;

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
}
