//! Encoded items of a map that are sent as one call.

use std::sync::Arc;

use crate::frame::{ITEM_PREFIX, ITEM_WITH_PLACES, take_item, take_listed_item};

/// Some of the items that were encoded together. Parts of them share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Items {
    /// The items as a frame holds them, and perhaps others before and behind.
    bytes: Arc<Vec<u8>>,
    /// Where the first one begins.
    start: usize,
    /// Where the last one ends.
    end: usize,
    /// How many there are.
    count: u16,
    /// Whether some of what was encoded together ends with a list of buffers.
    listed: bool,
}

impl Items {
    /// All that is in `bytes`, which hold `count` items without lists.
    pub(crate) fn new(bytes: Vec<u8>, count: u16) -> Self {
        let end = bytes.len();
        Self { bytes: Arc::new(bytes), start: 0, end, count, listed: false }
    }

    /// In tests: as [`new`](Self::new), where the lengths of items say whether they end with lists.
    #[cfg(test)]
    pub(crate) fn with_lists(bytes: Vec<u8>, count: u16) -> Self {
        Self { listed: true, ..Self::new(bytes, count) }
    }

    /// Whether the lengths of items say which of them end with a list of buffers.
    pub(crate) fn are_listed(&self) -> bool {
        self.listed
    }

    /// The only one, if it is one with a list: that is behind it.
    pub(crate) fn only_listed(&self) -> Option<&[u8]> {
        if !self.listed || self.count != 1 {
            return None;
        }
        let (item, listed) = take_listed_item(&mut self.bytes())?;
        listed.then_some(item)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// What a frame holds.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Keeps the first `count` items and returns the others; none when there are no others.
    pub(crate) fn split_off(&mut self, count: u16) -> Option<Self> {
        let left = self.count.checked_sub(count).filter(|&left| left > 0)?;
        let mut rest = self.bytes();
        for _ in 0..count {
            let item = if self.listed {
                take_listed_item(&mut rest).map(|(item, _listed)| item)
            } else {
                take_item(&mut rest)
            };
            item.expect("as many items were encoded");
        }
        let middle = self.end - rest.len();
        let others = Self { start: middle, count: left, ..self.clone() };
        (self.end, self.count) = (middle, count);
        Some(others)
    }
}

/// Appends items to the bytes of a frame.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// What is encoded; behind `end` there may be the remains of an item that failed.
    bytes: Vec<u8>,
    /// Where the last whole item ends.
    end: usize,
    /// How many items are whole.
    count: u16,
    /// Whether some of them end with a list of buffers.
    listed: bool,
}

impl Encoder {
    /// How many items are whole.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// How many bytes they take.
    pub(crate) fn len(&self) -> usize {
        self.end
    }

    /// Has `encode` append an item. It becomes part of the frame with [`keep`](Self::keep) only.
    pub(crate) fn try_item<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(&[0; ITEM_PREFIX]);
        encode(&mut self.bytes)
    }

    /// How long the item is that was tried.
    pub(crate) fn tried(&self) -> usize {
        self.bytes.len() - self.end - ITEM_PREFIX
    }

    /// Appends to the item that was tried what is no part of its argument.
    pub(crate) fn extend_tried<T>(&mut self, extend: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        extend(&mut self.bytes)
    }

    /// Makes the item that was tried part of the frame; less than [`ITEM_WITH_PLACES`] bytes.
    pub(crate) fn keep(&mut self) {
        self.keep_as(0);
    }

    /// As [`keep`](Self::keep), of one that ends with a list of buffers.
    pub(crate) fn keep_listed(&mut self) {
        self.listed = true;
        self.keep_as(ITEM_WITH_PLACES);
    }

    /// Makes the item that was tried part of the frame, with this in its length.
    fn keep_as(&mut self, mark: u16) {
        let length = u16::try_from(self.tried()).ok().filter(|&length| length < ITEM_WITH_PLACES);
        let length = length.expect("longer items travel alone");
        self.bytes[self.end..][..ITEM_PREFIX].copy_from_slice(&(length | mark).to_le_bytes());
        self.end = self.bytes.len();
        self.count += 1;
    }

    /// Takes the item that was tried out of the frame, without its prefix.
    pub(crate) fn take_tried(&mut self) -> Vec<u8> {
        let item = self.bytes.split_off(self.end + ITEM_PREFIX);
        self.bytes.truncate(self.end);
        item
    }

    /// The items so far; none when there are none.
    pub(crate) fn finish(&mut self) -> Option<Items> {
        self.bytes.truncate(self.end);
        if self.count == 0 {
            return None;
        }
        let (bytes, count) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.count));
        self.end = 0;
        let listed = std::mem::take(&mut self.listed);
        Some(Items { listed, ..Items::new(bytes, count) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items in a part.
    fn listed(items: &Items) -> Vec<Vec<u8>> {
        let mut rest = items.bytes();
        let mut found = Vec::new();
        while let Some(item) = take_item(&mut rest) {
            found.push(item.to_vec());
        }
        assert_eq!(found.len(), usize::from(items.count()));
        found
    }

    #[test]
    fn parts_hold_each_item_once() {
        let mut encoder = Encoder::default();
        for n in 0..10_u8 {
            encoder.try_item(|bytes| bytes.extend(vec![n; usize::from(n)]));
            encoder.keep();
        }
        let mut first = encoder.finish().unwrap();
        assert!(first.split_off(10).is_none());
        let mut second = first.split_off(3).unwrap();
        let third = second.split_off(4).unwrap();
        let all = [listed(&first), listed(&second), listed(&third)].concat();
        assert_eq!(all, (0..10_u8).map(|n| vec![n; usize::from(n)]).collect::<Vec<_>>());
        assert_eq!((first.count(), second.count(), third.count()), (3, 4, 3));
    }

    #[test]
    fn parts_of_what_has_lists_hold_each_item_once() {
        let mut encoder = Encoder::default();
        for n in 0..10_u8 {
            encoder.try_item(|bytes| bytes.push(n));
            if n % 3 == 1 {
                encoder.extend_tried(|bytes| bytes.extend(b"list"));
                encoder.keep_listed();
            } else {
                encoder.keep();
            }
        }
        let mut first = encoder.finish().unwrap();
        let mut second = first.split_off(1).unwrap();
        let third = second.split_off(2).unwrap();
        let mut found = Vec::new();
        for part in [&first, &second, &third] {
            assert!(part.are_listed());
            let mut rest = part.bytes();
            while let Some((item, listed)) = take_listed_item(&mut rest) {
                assert_eq!((item[0] % 3 == 1, listed), (listed, item.ends_with(b"list")));
                found.push(item[0]);
            }
        }
        assert_eq!(found, (0..10).collect::<Vec<_>>());
        assert!(first.only_listed().is_none() && second.only_listed().is_none());
        let _third = second.split_off(1).unwrap();
        assert_eq!(second.only_listed().unwrap(), b"\x01list");
        // What comes then has none.
        encoder.try_item(|bytes| bytes.push(7));
        encoder.keep();
        let plain = encoder.finish().unwrap();
        assert!(!plain.are_listed() && plain.only_listed().is_none());
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let mut encoder = Encoder::default();
        encoder.try_item(|bytes| bytes.extend(b"half of"));
        encoder.try_item(|bytes| bytes.push(1));
        encoder.keep();
        encoder.try_item(|bytes| bytes.extend(b"alone"));
        assert_eq!(encoder.take_tried(), b"alone");
        encoder.try_item(|bytes| bytes.extend(b"broken"));
        assert_eq!(listed(&encoder.finish().unwrap()), [[1]]);
        assert!(encoder.finish().is_none());
    }
}
