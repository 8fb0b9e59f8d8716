//! The order-free digest that stands for a set of results.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Output, rng::mix};

/// Folds (index, output) pairs so that neither their order nor how they were grouped matters, while
/// a missing, doubled, swapped or altered output shows.
///
/// Not a cryptographic hash: it guards against mistakes, not against an adversary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many outputs were folded in.
    pub count: u64,
    /// Wrapping sum of the mixed outputs.
    #[serde(with = "hex")]
    pub sum: u64,
    /// Exclusive or of the mixed outputs.
    #[serde(with = "hex")]
    pub xor: u64,
}

impl Digest {
    /// Folds in what the task `index` put out.
    pub fn add(&mut self, index: u64, output: &Output) {
        let mixed = mix(mix(index) ^ output.fingerprint());
        self.count += 1;
        self.sum = self.sum.wrapping_add(mixed);
        self.xor ^= mixed;
    }

    /// Folds in all that `other` holds.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.xor ^= other.xor;
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}:{:016x}", self.count, self.sum, self.xor)
    }
}

/// Words as 16 hexadecimal digits: JSON readers that keep numbers in a double lose the low bits of
/// a `u64`.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(super) fn serialize<S: Serializer>(word: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{word:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(pairs: &[(u64, u64)]) -> Digest {
        let mut digest = Digest::default();
        for &(index, word) in pairs {
            digest.add(index, &Output::Word(word));
        }
        digest
    }

    #[test]
    fn order_and_grouping_do_not_matter() {
        let whole = digest_of(&[(0, 7), (1, 8), (2, 9)]);
        assert_eq!(whole, digest_of(&[(2, 9), (0, 7), (1, 8)]));
        let mut parts = digest_of(&[(1, 8)]);
        parts.merge(digest_of(&[(2, 9), (0, 7)]));
        assert_eq!(whole, parts);
    }

    #[test]
    fn missing_doubled_swapped_and_altered_outputs_show() {
        let whole = digest_of(&[(0, 7), (1, 8)]);
        for wrong in
            [&[(0, 7)][..], &[(0, 7), (1, 8), (1, 8)], &[(0, 8), (1, 7)], &[(0, 7), (1, 9)]]
        {
            assert_ne!(whole, digest_of(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn survives_json() {
        let digest = digest_of(&[(3, u64::MAX)]);
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
    }
}
