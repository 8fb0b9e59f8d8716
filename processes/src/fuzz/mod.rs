//! Bytes from elsewhere: whatever they are, decoding them ends, without a panic, and allocates in
//! proportion to their number.
//!
//! A bounded mutation fuzzer for the stable compiler. It begins with what is right (encodings made
//! by the code itself, so they follow the formats) and with the corpus (what was wrong once, and what
//! looks dangerous), and changes that from a seed. What makes the code say something that it has not
//! said before is kept and changed further: the words of an error stand for the branch that was
//! taken. Each round is run in a process of its own, in which the input lies in shared memory before
//! it is tried, so that an input that ends the process is known, too.
//!
//! An input that fails belongs into the target's file in `corpus/`, with the fix. `cargo xtask verify
//! processes` runs it for longer, see [`crate::chaos`].

mod mutate;
mod targets;

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::Range;
use std::process::Stdio;
use std::time::Duration;

use crate::chaos::{Random, for_seeds};
use crate::{ProcessBuilder, SharedMem};
use mutate::mutate;
pub(crate) use targets::Target;
use targets::{HERE, targets};

/// The longest input.
const MAX_INPUT: usize = 1024;

/// Inputs of a round.
const INPUTS: u32 = 4_000;

/// The most inputs that are kept to be changed further.
const MAX_KEPT: usize = 1_000;

/// Bytes that may be allocated at a time for each byte of input. Items of collections are that large
/// at most in our targets, and vectors double.
const FACTOR: u64 = 512;

/// Bytes that may be allocated at a time in any case: texts of errors, tables of collections.
const ALWAYS: u64 = 16 * 1024;

/// A round takes about a second; anything that takes longer than this is taken for a hang.
const BOUND: Duration = Duration::from_mins(2);

/// An input in memory that outlives the process.
#[derive(Clone, Debug)]
struct Scratch(SharedMem);

impl Scratch {
    /// Notes what is tried now.
    fn note(&self, input: &[u8]) {
        let length = u16::try_from(input.len()).expect("an input is short").to_le_bytes();
        self.0.write(0, &length);
        self.0.write(length.len(), input);
    }

    /// What was tried last, in hexadecimal.
    fn last(&self) -> String {
        let mut length = [0; 2];
        self.0.read(0, &mut length);
        let mut input = vec![0; usize::from(u16::from_le_bytes(length))];
        self.0.read(length.len(), &mut input);
        input.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes everything");
            text
        })
    }
}

/// The inputs of a corpus: one in each line, in hexadecimal; what follows a `#` is a comment.
fn parse(corpus: &str) -> Vec<Vec<u8>> {
    let lines = corpus.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("a corpus is ASCII");
        u8::from_str_radix(pair, 16).expect("pairs of hexadecimal digits")
    };
    let input = |line: &str| line.as_bytes().chunks(2).map(byte).collect();
    lines.filter(|line| !line.is_empty()).map(input).collect()
}

/// Tries one input; what it says, without the numbers in it.
fn attempt(target: &mut Target, scratch: &Scratch, input: &[u8]) -> String {
    scratch.note(input);
    let mut said = String::new();
    let used = allocation_counter::measure(|| said = (target.run)(input));
    let most = FACTOR * input.len() as u64 + ALWAYS;
    assert!(used.bytes_max <= most, "{} bytes were allocated at a time", used.bytes_max);
    said.retain(|letter| !letter.is_ascii_digit());
    said
}

/// A round: how many different things were said.
fn round((index, seed, memory): (usize, u64, SharedMem)) -> usize {
    let scratch = Scratch(memory);
    let mut target = targets()[index]();
    let mut kept = (target.right)();
    kept.extend(parse(target.corpus));
    let mut known = HashSet::new();
    for input in &kept {
        let said = attempt(&mut target, &scratch, input);
        known.insert(said);
    }
    let mut random = Random::new(seed);
    for _ in 0..INPUTS {
        let mut input = kept[random.index(kept.len())].clone();
        mutate(&mut input, &kept, &mut random);
        input.truncate(MAX_INPUT);
        let said = attempt(&mut target, &scratch, &input);
        if kept.len() < MAX_KEPT && known.insert(said) {
            kept.push(input);
        }
    }
    known.len()
}

#[test]
fn whatever_comes_is_decoded_or_refused() {
    decoded_or_refused(0..HERE.len());
}

#[cfg(feature = "distributed")]
#[test]
fn whatever_comes_from_a_cluster_is_decoded_or_refused() {
    decoded_or_refused(HERE.len()..targets().len());
}

/// Feeds some of the targets.
fn decoded_or_refused(which: Range<usize>) {
    let memory = SharedMem::new(2 + MAX_INPUT).unwrap();
    let scratch = Scratch(memory.clone());
    let all = &targets()[which.clone()];
    let mut most = vec![0; all.len()];
    for_seeds(2, 3, |seed| {
        for ((index, target), most) in which.clone().zip(all).zip(&mut most) {
            let name = target().name;
            let builder = ProcessBuilder::new().name("fuzz").stderr(Stdio::null());
            let process = builder.spawn(round, (index, seed, memory.clone())).unwrap();
            let ended = process.join_timeout(BOUND).unwrap_or_else(|_process| {
                panic!("{name}, seed {seed}: {} does not end", scratch.last())
            });
            match ended {
                Ok(known) => *most = known.max(*most),
                Err(error) => panic!("{name}, seed {seed}: {}: {error}", scratch.last()),
            }
        }
    });
    println!("different answers of each target: {most:?}");
    assert!(most.iter().all(|&known| known > 2), "inputs must reach something: {most:?}");
}

#[test]
fn a_corpus_is_read() {
    assert_eq!(parse("# nothing\n\n00ff10 # three\n07\n"), [vec![0, 255, 16], vec![7]]);
}
