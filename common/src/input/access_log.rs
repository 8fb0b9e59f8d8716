//! The access log that `real.access-log` parses: combined log format, generated.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::rng::SplitMix64;

/// Status codes with their weights out of 100.
const STATUSES: [(u16, u64); 6] = [(200, 84), (304, 7), (404, 5), (301, 2), (500, 1), (503, 1)];

/// First parts of request paths.
const PLACES: [&str; 6] =
    ["/index.html", "/static/app", "/api/v2/items", "/img/photo", "/search", "/user/profile"];

/// User agents.
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "curl/8.5.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

/// Makes sure that `path` holds the log of `seed` with at least `bytes` bytes; returns its length.
///
/// The log is written aside and renamed, so that an interrupted write leaves nothing behind that
/// looks whole.
///
/// # Errors
/// Those of writing a file, a full disk among them.
pub fn ensure(path: &Path, seed: u64, bytes: u64) -> io::Result<u64> {
    if let Ok(metadata) = fs::metadata(path) {
        return Ok(metadata.len());
    }
    let aside = path.with_extension(format!("tmp-{}", std::process::id()));
    let written =
        write(&aside, seed, bytes).and_then(|length| fs::rename(&aside, path).map(|()| length));
    if written.is_err() {
        // The error that matters is the first one.
        fs::remove_file(&aside).ok();
    }
    written
}

/// Writes lines until there are at least `bytes`.
fn write(path: &Path, seed: u64, bytes: u64) -> io::Result<u64> {
    let mut to = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut written, mut index) = (0, 0);
    while written < bytes {
        let line = line(seed, index);
        to.write_all(line.as_bytes())?;
        written += line.len() as u64;
        index += 1;
    }
    to.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(written)
}

/// Line `index` of the log, with its line feed.
fn line(seed: u64, index: u64) -> String {
    let mut random = SplitMix64::derive(seed, index);
    let (place, agent) = (pick(&PLACES, &mut random), pick(&AGENTS, &mut random));
    let mut any = |n: u64| random.below(n);
    let (second, minute, hour) = (index / 50 % 60, index / 3_000 % 60, index / 180_000 % 24);
    let address = format!("{}.{}.{}.{}", 10 + any(180), any(256), any(256), 1 + any(254));
    let time = format!("05/Mar/2026:{hour:02}:{minute:02}:{second:02} +0000");
    let request = format!("GET {place}/{}?q={:x} HTTP/1.1", any(10_000), any(1 << 32));
    let (status, length) = (status(any(100)), any(60_000));
    format!("{address} - - [{time}] \"{request}\" {status} {length} \"-\" \"{agent}\"\n")
}

/// One of `choices`.
fn pick(choices: &[&'static str], random: &mut SplitMix64) -> &'static str {
    let place = random.below(choices.len() as u64);
    choices[usize::try_from(place).expect("less than the number of choices")]
}

/// The status code at `place` of 100.
fn status(place: u64) -> u16 {
    let mut below = 0;
    for (status, weight) in STATUSES {
        below += weight;
        if place < below {
            return status;
        }
    }
    unreachable!("the weights add up to 100")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::MAX_LINE_BYTES;

    #[test]
    fn every_draw_has_a_status_and_lines_are_short() {
        assert!((0..100).all(|place| status(place) >= 200));
        assert!((0..1_000).all(|index| (line(1, index).len() as u64) < MAX_LINE_BYTES));
    }

    #[test]
    fn a_log_is_written_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let length = ensure(&path, 1, 10_000).unwrap();
        assert!(length >= 10_000);
        assert_eq!(ensure(&path, 1, 10_000).unwrap(), length);
        assert!(fs::read(&path).unwrap().ends_with(b"\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
