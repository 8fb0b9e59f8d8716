//! Copies of a record, from memory or from a file, for which nobody is stopped. See the protocol in
//! [`shared`](super::shared).

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::layout::{
    EVENT_WORDS, GRAIN, HEAD_BYTES, Kind, MAGIC, MAGIC_OF_ALL, NAME_IS_TEXT, NAME_WORDS,
    TASK_WORDS, TEXTS_AT, head, task, wait,
};
use super::mapping::Mapping;
use super::shared::{CHUNKS, Shared, first_of_chunk};

/// The words of an entry of the task table.
pub(super) type TaskEntry = [u64; TASK_WORDS];

/// What was in a record at some moment.
#[derive(Debug)]
pub(super) struct Image {
    /// Header, schema and texts.
    pub(super) head: Vec<u64>,
    /// The events that were whole, the oldest first, with their numbers.
    pub(super) events: Vec<(u64, [u64; EVENT_WORDS])>,
    /// The entries of the task table that are in use, by slot.
    pub(super) tasks: Vec<(u32, TaskEntry)>,
    /// When it was copied, in ticks; of a file, when it was last written.
    pub(super) copied_at: u64,
    /// The names to which entries refer, by cell.
    names: HashMap<u32, String>,
}

impl Image {
    /// Copies a record of this process.
    pub(super) fn of(shared: &Shared) -> Self {
        // Of virtual time only the reactor's thread knows; it was last written when the poll began.
        let copied_at = shared.ticks();
        let events = copy_ring(shared);
        let chunks = |chunks: &[OnceLock<Mapping>; CHUNKS]| {
            let made = |(chunk, mapping): (usize, &OnceLock<Mapping>)| {
                Some((first_of_chunk(chunk), copy(mapping.get()?.words())))
            };
            chunks.iter().enumerate().filter_map(made).collect::<Vec<_>>()
        };
        let before = chunks(shared.tasks());
        fence(Ordering::Acquire);
        let names = chunks(shared.names());
        fence(Ordering::Acquire);
        let after = chunks(shared.tasks());
        let tasks = unchanged(&before, &after);
        // Texts come before what refers to them.
        let head = copy(shared.head_words());
        Self { head, events, names: names_of(&tasks, &names), tasks, copied_at }
    }

    /// Copies a record from its file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no such file.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let invalid = |what: &str| {
            let text = format!("{} is no record of a reactor: {what}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| invalid("it is too long"))?;
        if len < HEAD_BYTES {
            return Err(invalid("it is too short"));
        }
        let start = read_words(&file, 0, HEAD_BYTES)?;
        if start[head::MAGIC] != MAGIC {
            let is_one = (start[head::MAGIC] ^ MAGIC) & MAGIC_OF_ALL == 0;
            return Err(invalid(if is_one {
                "it is one, of another version of this crate"
            } else {
                "it begins with something else"
            }));
        }
        let regions = regions(&start, len).ok_or_else(|| invalid("a region is not in it"))?;
        let read = |kind: Kind| {
            let of_kind = regions.iter().filter(move |region| region.kind == kind as u64);
            of_kind
                .map(|region| Ok((region.first, read_words(&file, region.at, region.bytes)?)))
                .collect::<io::Result<Vec<_>>>()
        };
        let mut rings = read(Kind::Events)?;
        let ring = rings.pop().ok_or_else(|| invalid("it has no ring"))?.1;
        let (before, names, after) = (read(Kind::Tasks)?, read(Kind::Names)?, read(Kind::Tasks)?);
        let head = read_words(&file, 0, HEAD_BYTES)?;
        let ring = ring.as_chunks().0;
        if !ring.len().is_power_of_two() {
            return Err(invalid("its ring has no right size"));
        }
        let events = whole(ring, start[head::HEAD], head[head::HEAD]);
        let tasks = unchanged(&before, &after);
        let copied_at = head[head::NOW];
        Ok(Self { head, events, names: names_of(&tasks, &names), tasks, copied_at })
    }

    /// A text by its id. None for none, and for what is no text.
    pub(super) fn text(&self, id: u64) -> Option<String> {
        let at = usize::try_from(id).ok().filter(|&id| id > 0)?.checked_add(TEXTS_AT)?;
        let len = usize::try_from(*self.head.get(at)?).ok()?;
        let words = self.head.get(at + 1..)?.get(..len.div_ceil(8))?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take(len).collect();
        String::from_utf8(bytes).ok()
    }

    /// The name of a task by its entry.
    pub(super) fn name(&self, entry: &TaskEntry) -> Option<String> {
        let name = name_number(entry);
        if name & NAME_IS_TEXT != 0 {
            return self.text(u64::from(name ^ NAME_IS_TEXT));
        }
        self.names.get(&name).cloned()
    }
}

/// A part of a file.
struct Region {
    kind: u64,
    at: usize,
    bytes: usize,
    first: usize,
}

/// The regions that a header lists. None if one is not in the file.
fn regions(header: &[u64], len: usize) -> Option<Vec<Region>> {
    let count = usize::try_from(header[head::REGIONS]).ok().filter(|&n| n <= head::MAX_REGIONS)?;
    let words = header[head::REGION..].as_chunks::<4>().0;
    let region = |&[kind, at, bytes, first]: &[u64; 4]| {
        let of = |word: u64| usize::try_from(word).ok();
        let region = Region { kind, at: of(at)?, bytes: of(bytes)?, first: of(first)? };
        let is_inside = region.at.checked_add(region.bytes)? <= len
            && region.at.is_multiple_of(GRAIN)
            && u32::try_from(region.first.checked_add(region.bytes)?).is_ok();
        is_inside.then_some(region)
    };
    words[..count].iter().map(region).collect()
}

/// Reads words of a file.
fn read_words(file: &File, at: usize, bytes: usize) -> io::Result<Vec<u64>> {
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, at as u64)?;
    let (chunks, _) = buffer.as_chunks::<8>();
    Ok(chunks.iter().map(|&bytes| u64::from_ne_bytes(bytes)).collect())
}

/// Copies words one by one.
fn copy(words: &[AtomicU64]) -> Vec<u64> {
    // Acquire, so that the words of an entry are read after the first one. It costs nothing on x86.
    words.iter().map(|word| word.load(Ordering::Acquire)).collect()
}

/// Copies the events that are whole, with their numbers.
pub(super) fn copy_ring(shared: &Shared) -> Vec<(u64, [u64; EVENT_WORDS])> {
    let number = &shared.header()[head::HEAD];
    let before = number.load(Ordering::Acquire);
    let load = |event: &[AtomicU64; EVENT_WORDS]| {
        event.each_ref().map(|word| word.load(Ordering::Relaxed))
    };
    let ring: Vec<_> = shared.ring().iter().map(load).collect();
    fence(Ordering::Acquire);
    whole(&ring, before, number.load(Ordering::Relaxed))
}

/// The events of a copy of the ring that are whole.
fn whole(ring: &[[u64; EVENT_WORDS]], before: u64, after: u64) -> Vec<(u64, [u64; EVENT_WORDS])> {
    let events = ring.len() as u64;
    let first = before.saturating_sub(events).max(after.saturating_add(1).saturating_sub(events));
    let place = |n: u64| usize::try_from(n % events).expect("it is less than a length");
    (first..before).map(|n| (n, ring[place(n)])).collect()
}

/// The entries that belong to the same task in both copies, by slot. Of a wait that has changed, nothing
/// is told.
fn unchanged(before: &[(usize, Vec<u64>)], after: &[(usize, Vec<u64>)]) -> Vec<(u32, TaskEntry)> {
    let mut tasks = Vec::new();
    for ((first, old), (_, new)) in before.iter().zip(after) {
        let entries = old.as_chunks::<TASK_WORDS>().0.iter().zip(new.as_chunks::<TASK_WORDS>().0);
        for (place, (old, new)) in entries.enumerate() {
            if old[task::TASK] == 0 || old[task::TASK] != new[task::TASK] {
                continue;
            }
            let Ok(slot) = u32::try_from(first + place) else { continue };
            let mut entry = *old;
            if old[task::WAIT] != new[task::WAIT] {
                entry[task::WAIT] = wait::UNKNOWN;
            }
            tasks.push((slot, entry));
        }
    }
    tasks
}

/// The names that the entries of tasks refer to, by cell.
fn names_of(tasks: &[(u32, TaskEntry)], chunks: &[(usize, Vec<u64>)]) -> HashMap<u32, String> {
    let find = |cell: u32| {
        let (first, words) = chunks.iter().rfind(|(first, _)| *first <= cell as usize)?;
        let words = words.as_chunks::<NAME_WORDS>().0.get(cell as usize - first)?;
        let bytes = words.map(u64::to_ne_bytes).concat();
        let (len, text) = bytes.split_first()?;
        Some(String::from_utf8_lossy(text.get(..usize::from(*len))?).into_owned())
    };
    let numbers = tasks.iter().map(|(_, entry)| name_number(entry));
    let cells = numbers.filter(|&number| number > 0 && number & NAME_IS_TEXT == 0);
    cells.filter_map(|cell| Some((cell, find(cell)?))).collect()
}

/// The number of the name in an entry.
fn name_number(entry: &TaskEntry) -> u32 {
    (entry[task::ABOUT] >> 32) as u32
}
