//! A reader that knows nothing but what the file says about itself.

use std::collections::HashMap;
use std::fs;
use std::future::{pending, poll_fn};
use std::task::Poll;

use evented::record::{Dump, Record, Recording, TaskReport, WaitsFor, What, waits_for};
use evented::{Class, Reactor, Spawn, spawn, spawn_with, yield_now};

/// Fields by what they belong to and their name: word, lowest bit, number of bits.
type Fields = HashMap<(String, String), (usize, u32, u32)>;

/// A file, with the lines of its schema.
struct Reader {
    words: Vec<u64>,
    fields: Fields,
    /// Names of numbers: of kinds, causes, waits.
    numbers: HashMap<(String, u64), String>,
    /// First word and length of tables in the header.
    tables: HashMap<String, (usize, usize)>,
}

impl Reader {
    fn new(bytes: &[u8]) -> Self {
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(&bytes[..8], b"EVENTED2");
        let (at, len) = (usize::try_from(words[1]).unwrap(), usize::try_from(words[2]).unwrap());
        let schema = std::str::from_utf8(&bytes[at..at + len]).unwrap();
        let (mut fields, mut numbers, mut tables) = (Fields::new(), HashMap::new(), HashMap::new());
        for line in schema.lines().filter(|line| !line.starts_with('#')) {
            let parts: Vec<&str> = line.split(' ').collect();
            match parts[..] {
                ["table", name, word, len] => {
                    tables.insert(name.to_owned(), (word.parse().unwrap(), len.parse().unwrap()));
                }
                ["region_kind", number, name, _] | [_, number, name]
                    if number.parse::<u64>().is_ok() =>
                {
                    numbers.insert((parts[0].to_owned(), number.parse().unwrap()), name.to_owned());
                }
                [of, name, word, low, bits] => {
                    let place =
                        (word.parse().unwrap(), low.parse().unwrap(), bits.parse().unwrap());
                    fields.insert((of.to_owned(), name.to_owned()), place);
                }
                _ => panic!("{line:?} is no line of a schema"),
            }
        }
        Self { words, fields, numbers, tables }
    }

    /// A field of what begins at a word.
    fn field(&self, of: &str, name: &str, at: usize) -> u64 {
        let &(word, low, bits) = &self.fields[&(of.to_owned(), name.to_owned())];
        let shifted = self.words[at + word] >> low;
        if bits == 64 { shifted } else { shifted & ((1 << bits) - 1) }
    }

    fn size(&self, of: &str, name: &str, at: usize) -> usize {
        usize::try_from(self.field(of, name, at)).unwrap()
    }

    fn header(&self, name: &str) -> usize {
        self.size("header", name, 0)
    }

    fn text(&self, id: usize) -> String {
        if id == 0 {
            return String::new();
        }
        let at = self.header("texts_at") + id;
        let len = usize::try_from(self.words[at]).unwrap();
        let bytes: Vec<u8> =
            self.words[at + 1..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    /// First word and number of words of the regions of a kind.
    fn regions(&self, kind: &str) -> Vec<(usize, usize)> {
        let table = self.tables["region"].0;
        let regions = (0..self.header("regions")).map(|n| table + 4 * n);
        regions
            .filter(|&at| self.number("region_kind", self.field("region", "kind", at)) == kind)
            .map(|at| {
                let place = |name| self.size("region", name, at) / 8;
                (place("at_bytes"), place("bytes"))
            })
            .collect()
    }

    fn number(&self, of: &str, number: u64) -> &str {
        &self.numbers[&(of.to_owned(), number)]
    }

    fn name(&self, number: usize) -> String {
        if number >> 31 == 1 {
            return self.text(number & 0x7FFF_FFFF);
        }
        let Some(&(at, _)) = self.regions("names").first().filter(|_| number > 0) else {
            return String::new();
        };
        let words = &self.words[at + 8 * number..at + 8 * number + 8];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        String::from_utf8(bytes[1..=usize::from(bytes[0])].to_vec()).unwrap()
    }
}

/// What a task's entry says: id, name, place, class, polls.
type Told = (u64, String, String, String, u64);

/// The task table, from the file alone; with what each task waits for.
fn table(reader: &Reader) -> Vec<(Told, String, u64)> {
    let (at, words) = reader.regions("tasks")[0];
    let entries = (at..at + words).step_by(8).filter(|&at| reader.field("task", "task", at) != 0);
    let told = |at| {
        let class = reader.tables["classes"].0 + reader.size("task", "class", at);
        let told = (
            !reader.field("task", "task", at),
            reader.name(reader.size("task", "name", at)),
            reader.text(reader.size("task", "text", at)),
            reader.text(reader.size("class", "text", class)),
            reader.field("task", "polls", at),
        );
        let kind = reader.number("wait", reader.field("task", "wait_kind", at)).to_owned();
        (told, kind, reader.field("task", "wait_value", at))
    };
    entries.map(told).collect()
}

/// The same from the crate.
fn known(dump: &Dump) -> Vec<Told> {
    let told = |task: &TaskReport| {
        (
            task.id.to_bits(),
            task.name.clone().unwrap_or_default(),
            task.spawned_at.clone().unwrap(),
            dump.classes[usize::from(task.class)].name.clone(),
            task.polls,
        )
    };
    dump.tasks.iter().map(told).collect()
}

/// Compares the ring.
fn compare_events(reader: &Reader, record: &Record) {
    let scale = f64::from_bits(reader.field("header", "ns_per_tick", 0));
    let (ring, events) = (reader.regions("events")[0].0, reader.header("events"));
    assert_eq!(record.events().len(), reader.header("head"));
    for event in record.events() {
        let at = ring + 4 * (usize::try_from(event.number).unwrap() % events);
        let kind = reader.number("event_kind", reader.field("event", "kind", at));
        let expected = match &event.what {
            What::Poll { .. } => "poll",
            What::Wake(_) => "wake",
            What::Spawn { .. } => "spawn",
            What::Done(_) => "done",
            What::Cancel(_) => "cancel",
            What::IoWait { .. } => "io_wait",
            What::Overrun(_) => "overrun",
            other => panic!("{other:?} did not happen"),
        };
        assert_eq!(kind, expected);
        let ticks = reader.field("event", "time", at) - reader.field("header", "base_ticks", 0);
        let nanos = ticks as f64 * scale;
        assert!((nanos - event.time.as_nanos() as f64).abs() <= 1.0, "{event:?}: {nanos}");
        if let What::Spawn { spawned_at, .. } = &event.what {
            assert_eq!(Some(reader.text(reader.size("event", "text", at))), *spawned_at);
        }
    }
}

#[test]
fn the_file_describes_itself() {
    let reactor = Reactor::new().unwrap();
    let told = poll_fn(|_| {
        waits_for(WaitsFor::Chan { chan: 77, keeper: None });
        Poll::<()>::Pending
    });
    let task = reactor.spawn_with(Spawn::new().name("told").class(Class::RT), told);
    reactor.block_on(async {
        let _other = spawn_with(Spawn::new().class(Class::IDLE), pending::<()>());
        spawn(async {}).await.unwrap();
        yield_now().await;
    });
    let Recording::File(path) = reactor.recording() else { panic!("it has no file") };
    let reader = Reader::new(&fs::read(path).unwrap());
    let record = reactor.record();
    assert_eq!(reader.header("pid"), std::process::id() as usize);
    let table = table(&reader);
    let seen: Vec<Told> = table.iter().map(|entry| entry.0.clone()).collect();
    assert_eq!(seen, known(record.dump()));
    let told = table.iter().find(|entry| entry.0.1 == "told").unwrap();
    assert_eq!((told.0.0, told.0.3.as_str()), (task.id().to_bits(), "RT"));
    assert_eq!((told.1.as_str(), told.2), ("chan", 77));
    compare_events(&reader, &record);
}
