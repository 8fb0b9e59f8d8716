//! Changes of an input.

use crate::chaos::Random;

/// Bytes at which something often changes: ends of ranges, and the marks of bincode's long integers.
const NOTABLE: [u8; 12] = [0, 1, 2, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, 64];

/// Numbers at which something often changes.
const NUMBERS: [u64; 8] =
    [0, 1, 0xffff, 1 << 16, u32::MAX as u64, 1 << 32, i64::MAX as u64, u64::MAX];

/// Changes `input` a few times. `others` are inputs whose parts may come into it.
pub(super) fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.index(input.len() + 1);
        match random.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = NOTABLE[random.index(NOTABLE.len())];
                }
            }
            2 => input.insert(at, NOTABLE[random.index(NOTABLE.len())]),
            3 => input.truncate(at),
            4 => {
                let end = at + random.index(input.len() - at + 1);
                input.drain(at..end);
            }
            5 => {
                // A number over what is there, in one of the widths that formats have.
                let number = NUMBERS[random.index(NUMBERS.len())].to_le_bytes();
                let width = [2, 4, 8][random.index(3)];
                let end = input.len().min(at + width);
                input[at..end].copy_from_slice(&number[..end - at]);
            }
            6 => {
                // A long integer of bincode's: its mark and eight bytes.
                let number = NUMBERS[random.index(NUMBERS.len())].to_le_bytes();
                input.splice(at..at, [0xfd].into_iter().chain(number));
            }
            7 => {
                let end = at + random.index(input.len() - at + 1);
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            _ => {
                let other = &others[random.index(others.len())];
                let from = random.index(other.len() + 1);
                let until = from + random.index(other.len() - from + 1);
                input.splice(at..at, other[from..until].iter().copied());
            }
        }
    }
}
