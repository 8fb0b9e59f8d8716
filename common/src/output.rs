//! What one task gives back.

use serde::{Deserialize, Serialize};

/// The result of a task, as it travels from a worker to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// A single number: nothing is allocated, so that tasks of a microsecond measure the lane.
    Word(u64),
    /// Bytes: what it costs to send results back is part of what is measured.
    Bytes(Vec<u8>),
}

impl Output {
    /// A word that stands for the output in a [`Digest`](crate::Digest): the word itself, or length
    /// and CRC-32 of the bytes (a checksum every language has at full speed).
    pub fn fingerprint(&self) -> u64 {
        match self {
            Self::Word(word) => *word,
            Self::Bytes(bytes) => ((bytes.len() as u64) << 32) | u64::from(crc32fast::hash(bytes)),
        }
    }
}
