//! Texts that stay: names of classes, places in the source, labels of marks.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::{NAME_BYTES, NAME_WORDS, TEXTS_AT, TEXTS_WORDS};

/// Which texts have been written, and where the next one goes.
#[derive(Debug)]
pub(super) struct Texts {
    /// Id of the next text; 0 is no text.
    next: usize,
    /// Ids by what stands for the text: an address and a length.
    known: HashMap<(usize, usize), u16>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { next: 1, known: HashMap::new() }
    }
}

impl Texts {
    /// The id of a text, which is written if it is new; `key` stands for it. 0 if no room is left.
    pub(super) fn id(
        &mut self,
        head: &[AtomicU64],
        key: (usize, usize),
        text: impl FnOnce() -> String,
    ) -> u16 {
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let id = self.write(head, &text());
        self.known.insert(key, id);
        id
    }

    fn write(&mut self, head: &[AtomicU64], text: &str) -> u16 {
        let words = 1 + text.len().div_ceil(8);
        if self.next + words > TEXTS_WORDS {
            return 0;
        }
        let at = TEXTS_AT + self.next;
        store(&head[at + 1..at + words], text.as_bytes());
        head[at].store(text.len() as u64, Ordering::Release);
        let id = u16::try_from(self.next).expect("there are fewer words than that");
        self.next += words;
        id
    }
}

/// Writes bytes into words, in the order of memory.
pub(super) fn store(words: &[AtomicU64], bytes: &[u8]) {
    for (word, bytes) in words.iter().zip(bytes.chunks(8)) {
        let mut all = [0; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        word.store(u64::from_ne_bytes(all), Ordering::Relaxed);
    }
}

/// Writes the name of a task into its cell; what does not fit is cut off.
pub(super) fn store_name(cell: &[AtomicU64; NAME_WORDS], name: &str) {
    let name = &name[..name.floor_char_boundary(NAME_BYTES)];
    let mut bytes = [0; NAME_WORDS * 8];
    bytes[0] = u8::try_from(name.len()).expect("it is less than a cell");
    bytes[1..=name.len()].copy_from_slice(name.as_bytes());
    store(cell, &bytes);
}

/// Ids of places that were asked for lately. A look here costs less than one in a table.
#[derive(Debug, Default)]
pub(super) struct Lately([Cell<(usize, u16)>; 16]);

impl Lately {
    /// The id of the text at an address, or what `find` says.
    #[inline]
    pub(super) fn get(&self, address: usize, find: impl FnOnce() -> u16) -> u16 {
        // Places are a few words apart.
        let cell = &self.0[address / 8 % self.0.len()];
        let (known, id) = cell.get();
        if known == address {
            return id;
        }
        let id = find();
        cell.set((address, id));
        id
    }
}
