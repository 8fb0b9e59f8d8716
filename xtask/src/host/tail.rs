//! The last lines a program wrote to standard error.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    thread::{self, JoinHandle},
};

/// Lines that are kept.
const LINES: usize = 12;

/// Longest line that is kept, in bytes.
const LINE_BYTES: u64 = 4_096;

/// Reads a stream to its end on a thread of its own and keeps the last lines.
#[derive(Debug)]
pub(super) struct Tail {
    /// Gives the lines when the stream has ended.
    reader: JoinHandle<VecDeque<String>>,
}

impl Tail {
    /// Starts reading.
    pub(super) fn of(stream: impl Read + Send + 'static) -> Self {
        Self { reader: thread::spawn(move || last_lines(stream)) }
    }

    /// Waits for the end of the stream; its last lines.
    pub(super) fn finish(self) -> Vec<String> {
        self.reader.join().map(Vec::from).unwrap_or_default()
    }
}

/// Reads to the end.
fn last_lines(stream: impl Read) -> VecDeque<String> {
    let (mut stream, mut lines) = (BufReader::new(stream), VecDeque::new());
    loop {
        let mut line = Vec::new();
        match stream.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return lines,
            Ok(_) => {
                if lines.len() == LINES {
                    lines.pop_front();
                }
                lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines() {
        let text = (0..100).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n");
        let lines = Tail::of(std::io::Cursor::new(text)).finish();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.last().unwrap(), "line 99");
    }
}
