//! The HTML of one page.

use std::io::Write as _;

use crate::rng::SplitMix64;

/// The smallest body.
pub(super) const MIN_BYTES: usize = 1_024;

/// The largest body.
pub(super) const MAX_BYTES: usize = 8_192;

/// What the filler text is made of. None of them contains a link, and none is longer than
/// [`SLACK_BYTES`] with its space.
const WORDS: [&str; 16] = [
    "thread", "process", "event", "loop", "lock", "queue", "wait", "wake", "pool", "worker",
    "task", "signal", "socket", "buffer", "barrier", "a",
];

/// By how much the filler can miss its aim, because it ends with a whole word.
const SLACK_BYTES: usize = 8;

/// The last bytes of every page.
const END: &[u8] = b"</p>\n</body></html>\n";

/// Renders `page` with its `links`; `rng` decides the length and the words.
pub(super) fn render(page: u32, links: &[u32], mut rng: SplitMix64) -> Vec<u8> {
    let spread = (MAX_BYTES - MIN_BYTES - SLACK_BYTES) as u64;
    let drawn = usize::try_from(rng.below(spread + 1)).expect("the spread is a few KiB");
    let size = MIN_BYTES + SLACK_BYTES + drawn;
    let mut html = Vec::with_capacity(size);
    write!(
        html,
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>Page {page}</title></head>\n\
         <body><p>\n"
    )
    .expect("writing to memory does not fail");
    for (index, link) in links.iter().enumerate() {
        // Links are spread evenly: with at most eight, the parts between them are longer than one.
        fill(&mut html, size * (index + 1) / (links.len() + 1), &mut rng);
        write!(html, "\n<a href=\"/p/{link}\">page {link}</a>\n")
            .expect("writing to memory does not fail");
    }
    fill(&mut html, size - END.len(), &mut rng);
    html.extend_from_slice(END);
    html
}

/// Adds words until the next one could go past `aim` bytes in total.
fn fill(html: &mut Vec<u8>, aim: usize, rng: &mut SplitMix64) {
    while html.len() + SLACK_BYTES <= aim {
        // The top four bits choose one of sixteen words.
        let word = WORDS[usize::try_from(rng.next_u64() >> 60).expect("four bits fit")];
        html.extend_from_slice(word.as_bytes());
        html.push(b' ');
    }
}
