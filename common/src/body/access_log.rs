//! One piece of an access log: a regular expression per line, then numbers or records.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use regex::bytes::Regex;

use crate::{AccessLog, Io, LogAnswer, Output};

use super::TaskError;

/// The longest line that may cross the end of a piece, in bytes.
pub(crate) const MAX_LINE_BYTES: u64 = 4_096;

/// Lines parsed between two [`Io::yield_now`].
const SLICE_LINES: usize = 256;

/// Address, request path, status and length of a line in the combined log format.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(\S+) \S+ \S+ \[[^\]]+\] "[A-Z]+ ([^ "]+) [^"]*" (\d{3}) (\d+) "#)
        .expect("the pattern is valid")
});

/// Reads the piece, parses the lines that begin in it, and answers.
pub(super) async fn run<I: Io>(io: &I, task: &AccessLog, index: u64) -> Result<Output, TaskError> {
    let (start, end) = (index * task.piece_bytes, (index + 1) * task.piece_bytes);
    // One byte before the piece tells whether its first line begins in it.
    let from = start.saturating_sub(1);
    let bytes = io.read_file(&task.log, Some(from..end + MAX_LINE_BYTES)).await;
    let bytes = bytes.map_err(TaskError::io(task.log.display()))?;
    let mut answer = Answer::new(task.answer);
    for (count, line) in lines_beginning_in(&bytes, start == 0, end - from).enumerate() {
        answer.take(line)?;
        if count % SLICE_LINES == SLICE_LINES - 1 {
            io.yield_now().await;
        }
    }
    Ok(Output::Bytes(answer.finish()))
}

/// The lines of `bytes` that begin before `end`; unless `whole`, those after the first line feed.
fn lines_beginning_in(bytes: &[u8], whole: bool, end: u64) -> impl Iterator<Item = &[u8]> {
    let skip = if whole {
        0
    } else {
        bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1)
    };
    let mut at = skip;
    std::iter::from_fn(move || {
        if at as u64 >= end || at >= bytes.len() {
            return None;
        }
        let rest = &bytes[at..];
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        at += length + 1;
        Some(&rest[..length])
    })
}

/// What a task has found so far.
enum Answer {
    /// Per status code: lines and bytes sent.
    Aggregates(BTreeMap<u16, (u64, u64)>),
    /// Address, path and length of every line.
    Records(Vec<u8>),
}

impl Answer {
    /// Nothing yet.
    fn new(kind: LogAnswer) -> Self {
        match kind {
            LogAnswer::Aggregates => Self::Aggregates(BTreeMap::new()),
            LogAnswer::Records => Self::Records(Vec::new()),
        }
    }

    /// Takes one more line.
    fn take(&mut self, line: &[u8]) -> Result<(), TaskError> {
        let malformed =
            || TaskError::Input(format!("not a log line: {}", String::from_utf8_lossy(line)));
        let (_, [address, path, status, length]) =
            LINE.captures(line).ok_or_else(malformed)?.extract();
        match self {
            Self::Aggregates(by_status) => {
                let number = |digits: &[u8]| {
                    std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok())
                };
                let status = number(status)
                    .and_then(|status| u16::try_from(status).ok())
                    .ok_or_else(malformed)?;
                let entry = by_status.entry(status).or_default();
                entry.0 += 1;
                entry.1 += number(length).ok_or_else(malformed)?;
            }
            Self::Records(records) => {
                for (field, end) in [(address, b' '), (path, b' '), (length, b'\n')] {
                    records.extend_from_slice(field);
                    records.push(end);
                }
            }
        }
        Ok(())
    }

    /// The bytes a task gives back.
    fn finish(self) -> Vec<u8> {
        match self {
            Self::Aggregates(by_status) => by_status
                .iter()
                .fold(String::new(), |mut text, (status, (lines, bytes))| {
                    writeln!(text, "{status} {lines} {bytes}").expect("a string takes all");
                    text
                })
                .into_bytes(),
            Self::Records(records) => records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line belongs to exactly one piece, wherever the cuts fall.
    #[test]
    fn pieces_share_the_lines_out() {
        let text = b"one\ntwo\n\nthree is longer\nfour";
        for piece in 1..40u64 {
            let mut found: Vec<&[u8]> = Vec::new();
            for index in 0..(text.len() as u64).div_ceil(piece) {
                let (start, end) = (index * piece, (index + 1) * piece);
                let from = start.saturating_sub(1);
                found.extend(lines_beginning_in(
                    &text[usize::try_from(from).unwrap()..],
                    start == 0,
                    end - from,
                ));
            }
            assert_eq!(
                found,
                [&b"one"[..], b"two", b"", b"three is longer", b"four"],
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn answers_from_a_line() {
        let line =
            br#"10.0.0.7 - - [01/Jan/2026:00:00:00 +0000] "GET /a/b?c=d HTTP/1.1" 404 123 "-" "x""#;
        let mut aggregates = Answer::new(LogAnswer::Aggregates);
        aggregates.take(line).unwrap();
        aggregates.take(line).unwrap();
        assert_eq!(aggregates.finish(), b"404 2 246\n");
        let mut records = Answer::new(LogAnswer::Records);
        records.take(line).unwrap();
        assert_eq!(records.finish(), b"10.0.0.7 /a/b?c=d 123\n");
        assert!(Answer::new(LogAnswer::Records).take(b"rubbish").is_err());
    }
}
