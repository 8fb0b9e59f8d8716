//! What is fed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arena::places::Places;
use crate::buffer::Buffer;
use crate::call::Init;
use crate::codec;
use crate::confines::Confines;
use crate::control::{Down, Up};
use crate::core::fuzz::Rig;
use crate::frame::{
    Body, CallHeader, Kind, finish_result, push_call, start_result, take_call, take_item,
    take_listed_item,
};
use crate::gather::Gather;
use crate::harvest::{Piece, Values};
use crate::items::{Encoder, Items};
use crate::scope;
use crate::worker::Arguments;
use crate::{JoinError, Limit, Side};

/// Takes an input; says what it did with it.
type Run = Box<dyn FnMut(&[u8]) -> String>;

/// Something that takes bytes from elsewhere.
pub(crate) struct Target {
    /// Its name, and that of its corpus.
    pub(crate) name: &'static str,
    /// Inputs of which something is known.
    pub(crate) corpus: &'static str,
    /// Inputs that are right.
    pub(crate) right: fn() -> Vec<Vec<u8>>,
    /// Takes an input; says what it did with it.
    pub(crate) run: Run,
}

/// All of them: those of this machine, and those of clusters.
pub(super) fn targets() -> Vec<fn() -> Target> {
    #[cfg(feature = "distributed")]
    let elsewhere = crate::distributed::fuzz::TARGETS.as_slice();
    #[cfg(not(feature = "distributed"))]
    let elsewhere = &[];
    [HERE.as_slice(), elsewhere].concat()
}

/// What comes from processes of this machine.
pub(super) const HERE: [fn() -> Target; 8] =
    [calls, items, lists, results, gathered, down, up, values];

/// Frames of calls, as a worker takes them apart.
fn calls() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let header =
            CallHeader { slot: 3, sequence: 7, places: false, function: -9, trampoline: 1 << 40 };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        push_call(&mut one, &header, Body::Inline(b"argument"));
        push_call(&mut two, &header, Body::Payload(u128::MAX));
        push_call(&mut two, &header, Body::Inline(&[]));
        let mut many = Vec::new();
        push_call(&mut many, &header, Body::Items(b"\x02\0ab\0\0\x01\0c"));
        let mut large = Vec::new();
        push_call(&mut large, &header, Body::Arena { at: 4096, len: 70_000 });
        let mut listed = Vec::new();
        let header = CallHeader { places: true, ..header };
        push_call(&mut listed, &header, Body::Items(b"\x02\x80ab\0\0\x01\x80c"));
        vec![one, two, many, large, listed]
    }
    let run = |mut bytes: &[u8]| {
        let mut said = String::new();
        while let Some((header, body)) = take_call(&mut bytes) {
            said.push(match body {
                Body::Items(mut items) if header.places => {
                    while take_listed_item(&mut items).is_some() {}
                    if items.is_empty() { 'l' } else { 'k' }
                }
                Body::Inline(_) => 'i',
                Body::Payload(_) => 'p',
                Body::Arena { .. } => 'a',
                Body::Items(mut items) => {
                    while take_item(&mut items).is_some() {}
                    if items.is_empty() { 'm' } else { 'h' }
                }
            });
        }
        said.truncate(3);
        said + if bytes.is_empty() { "" } else { " rest" }
    };
    Target { name: "calls", corpus: include_str!("corpus/calls.txt"), right, run: Box::new(run) }
}

/// Items of a map in a frame, as a worker takes them apart and decodes them, and as the parent divides
/// them.
fn items() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let frame = |items: Vec<Vec<u8>>| {
            let mut encoder = Encoder::default();
            for item in &items {
                encoder.try_item(|bytes| bytes.extend_from_slice(item));
                encoder.keep();
            }
            encoder.finish().map(|items| items.bytes().to_vec()).unwrap_or_default()
        };
        let numbers = encoded((0..50_u64).map(|n| n * n * n));
        let texts = encoded(["", "one", "two and more"]);
        vec![frame(numbers), frame(texts.clone()), frame(texts[..1].to_vec())]
    }
    let run = |bytes: &[u8]| {
        let mut arguments = Arguments::of(Body::Items(bytes), false);
        let (mut count, mut said) = (0_u16, HashSet::new());
        while let Some((Body::Inline(item), false)) = arguments.next() {
            count = count.saturating_add(1);
            said.insert(decoded::<u64>(item));
        }
        said_of_frame(count, || Items::new(bytes.to_vec(), count), !arguments.is_empty(), said)
    };
    Target { name: "items", corpus: include_str!("corpus/items.txt"), right, run: Box::new(run) }
}

/// What is said of a frame of so many items, and of what its items were decoded to. The parent divides it.
fn said_of_frame(
    count: u16,
    items: impl FnOnce() -> Items,
    has_rest: bool,
    said: HashSet<String>,
) -> String {
    if count > 1 {
        // The parent divides only what it has made; what a worker has read is of that form.
        let mut first = items();
        let second = first.split_off(count / 2).map_or(0, |items| items.count());
        assert_eq!(first.count() + second, count, "an item is lost");
    }
    let mut said: Vec<_> = said.into_iter().collect();
    said.sort();
    said.truncate(3);
    let rest = if has_rest { " rest" } else { "" };
    format!("{}{rest} {said:?}", if count > 1 { "many" } else { "few" })
}

/// An item whose argument names a buffer of this key, with a list of the buffers that are in the arena, or
/// copied.
fn listing(key: u64, entries: &[[u64; 3]], bytes: &[u8], copied: bool) -> Vec<u8> {
    // As a buffer is encoded that is brought: the first variant, and a name.
    let argument = codec::encode(&(0_u32, (7_u128, key), 5_u64)).expect("numbers can be encoded");
    let at = if copied { argument.len() as u64 } else { 0 };
    let mut item = [argument.as_slice(), bytes].concat();
    for [key, offset, len] in entries {
        item.extend([*key, offset + at, *len].iter().flat_map(|number| number.to_le_bytes()));
    }
    item.extend(7_u128.to_le_bytes());
    item.extend(u32::try_from(entries.len()).expect("there are few").to_le_bytes());
    item.push(copied.into());
    item
}

/// Items of a map that bring buffers, as a worker takes them apart and decodes them, and as the parent
/// divides them. The process has no arena.
fn lists() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let frame = |items: &[Option<Vec<u8>>]| {
            let mut encoder = Encoder::default();
            for item in items {
                encoder.try_item(|bytes| bytes.extend(item.as_deref().unwrap_or(b"plain")));
                if item.is_some() { encoder.keep_listed() } else { encoder.keep() }
            }
            encoder.finish().map(|items| items.bytes().to_vec()).unwrap_or_default()
        };
        let one = || Some(listing(3, &[[3, 4096, 100]], b"", false));
        let two = Some(listing(3, &[[9, 0, 4096], [3, 4096, 0]], b"", false));
        let copies = Some(listing(3, &[[3, 0, 3], [1, 3, 2]], b"abcde", true));
        vec![frame(&[one(), None, one()]), frame(&[two, copies.clone()]), frame(&[copies])]
    }
    let run = |bytes: &[u8]| {
        let mut arguments = Arguments::of(Body::Items(bytes), true);
        let (mut count, mut said) = (0_u16, HashSet::new());
        while let Some((Body::Inline(item), listed)) = arguments.next() {
            count = count.saturating_add(1);
            let split = if listed { Places::split(item) } else { Some((item, Places::default())) };
            said.insert(split.map_or("not whole".to_owned(), |(argument, places)| {
                let decode = || decoded::<(Buffer, u64)>(argument);
                scope::decoding_argument(places, decode).0
            }));
        }
        said_of_frame(
            count,
            || Items::with_lists(bytes.to_vec(), count),
            !arguments.is_empty(),
            said,
        )
    };
    Target { name: "lists", corpus: include_str!("corpus/lists.txt"), right, run: Box::new(run) }
}

/// The results of a map's items, as its owner takes them apart.
fn gathered() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let records = |values: &[u64]| {
            let mut all = Vec::new();
            for value in values {
                let mut frame = Vec::new();
                start_result(&mut frame, 3, 7, Kind::Value);
                codec::encode_into(value, &mut frame).expect("numbers can be encoded");
                finish_result(&mut frame);
                all.extend_from_slice(&frame);
            }
            all
        };
        vec![records(&[1, 1 << 40, 3]), records(&[u64::MAX])]
    }
    let run = |bytes: &[u8]| {
        let mut gather = Gather::<u64>::new();
        gather.turn_to(Piece::Values(Values { first: 0, records: bytes.to_vec(), count: 1 }));
        let (mut fine, mut wrong) = (0_usize, HashSet::new());
        while let Some(result) = gather.next() {
            match result {
                Ok(_) => fine += 1,
                Err(error) => drop(wrong.insert(error.to_string())),
            }
            assert!(fine <= bytes.len(), "results come out of nothing");
        }
        let mut wrong: Vec<_> = wrong.into_iter().collect();
        wrong.sort();
        wrong.truncate(3);
        format!("{} {wrong:?}", if fine > 0 { "some" } else { "none" })
    };
    let corpus = include_str!("corpus/gathered.txt");
    Target { name: "gathered", corpus, right, run: Box::new(run) }
}

/// Records in the ring of results, as the receiver reads them.
fn results() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let panic = ("message".to_owned(), Some("here".to_owned()), None::<String>);
        let panic = codec::encode(&panic).expect("texts can be encoded");
        let records = [
            (Kind::Value, vec![1, 2, 3]),
            (Kind::Payload, vec![9; 16]),
            (Kind::Panicked, panic),
            (Kind::BadArgument, b"no".to_vec()),
            (Kind::BadResult, vec![0xff]),
            (Kind::TooLarge, vec![0xff; 8]),
            (Kind::Skipped, Vec::new()),
            (Kind::Lent, [vec![5, 0, 0, 16], vec![0; 7], vec![9], vec![0; 6]].concat()),
        ];
        let record = |(kind, body): (Kind, Vec<u8>)| {
            let mut frame = Vec::new();
            start_result(&mut frame, 1, 2, kind);
            frame.extend_from_slice(&body);
            finish_result(&mut frame);
            frame
        };
        records.map(record).into()
    }
    let mut rig = Rig::new();
    let run = move |bytes: &[u8]| rig.feed(bytes);
    let corpus = include_str!("corpus/results.txt");
    Target { name: "results", corpus, right, run: Box::new(run) }
}

/// Encodings of these.
fn encoded<T: Serialize>(values: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    values.into_iter().map(|value| codec::encode(&value).expect("it can be encoded")).collect()
}

/// Whether it is one; and why not.
fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> String {
    codec::decode::<T>(bytes).map_or_else(|why| why, |_| "fine".to_owned())
}

/// Messages to a worker.
fn down() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let limits = [(Limit::OpenFiles, 17), (Limit::CpuTime, u64::MAX)].into();
        let confines = Confines { limits, nice: Some(-3), affinity: Some([0, 1, 5].into()) };
        let init = Some(Init { function: -1, trampoline: 8, argument: Some(1 << 100) });
        let boot = Down::Boot {
            fingerprint: 1 << 60,
            server: "/tmp/a-socket".to_owned(),
            depth: 1,
            board: 1 << 90,
            max_payload: 1 << 30,
            confines,
            init,
            backtraces: true,
        };
        encoded([
            boot,
            Down::Doorbell(1),
            Down::Lifeline,
            Down::Arena(Some(7)),
            Down::Forget(u128::MAX),
        ])
    }
    let corpus = include_str!("corpus/control.txt");
    Target { name: "control, down", corpus, right, run: Box::new(decoded::<Down>) }
}

/// Messages from a worker.
fn up() -> Target {
    fn right() -> Vec<Vec<u8>> {
        encoded([
            Up::Ready { arena: true },
            Up::Refused("for a reason".to_owned()),
            Up::Payload(1 << 127),
        ])
    }
    let corpus = include_str!("corpus/control.txt");
    Target { name: "control, up", corpus, right, run: Box::new(decoded::<Up>) }
}

/// One of each form that an argument or a result can have.
#[derive(Debug, Serialize, Deserialize)]
enum Rich {
    /// Numbers and their like.
    Plain(u8, u16, u32, u64, u128, i8, i64, i128, f32, f64, bool, char, ()),
    /// What has a length.
    Text(String, Box<str>, Vec<u8>),
    /// Collections of collections.
    Many { lists: Vec<Vec<String>>, map: BTreeMap<String, Vec<[u64; 4]>>, set: HashSet<u16> },
    /// More of it.
    Deep(Vec<Rich>, Option<Box<Rich>>),
    /// What this crate sends itself.
    Ours(Result<Duration, JoinError>),
}

/// Arguments and results.
fn values() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let plain = || {
            Rich::Plain(
                1,
                300,
                70_000,
                1 << 40,
                1 << 100,
                -1,
                -70_000,
                -1 << 70,
                0.5,
                2.5,
                true,
                'ä',
                (),
            )
        };
        let text = || Rich::Text("text".to_owned(), "more".into(), vec![1; 300]);
        let lists = vec![vec!["a".to_owned(), String::new()], Vec::new()];
        let map = [("key".to_owned(), vec![[7; 4]])].into();
        let lost = JoinError::WorkerLost {
            pid: 70_000,
            signal: Some(9),
            exit_code: None,
            stderr: "the end".to_owned(),
        };
        let poison = JoinError::Poison { attempts: 2, last: Box::new(lost) };
        let encode = JoinError::Encode { side: Side::Worker, message: "why".to_owned() };
        encoded([
            plain(),
            text(),
            Rich::Many { lists, map, set: [1, 300].into() },
            Rich::Deep(vec![plain(), text()], Some(Box::new(Rich::Deep(Vec::new(), None)))),
            Rich::Ours(Ok(Duration::from_millis(70))),
            Rich::Ours(Err(poison)),
            Rich::Ours(Err(encode)),
        ])
    }
    let corpus = include_str!("corpus/values.txt");
    Target { name: "values", corpus, right, run: Box::new(decoded::<Rich>) }
}

#[test]
fn right_inputs_are_right() {
    for make in targets() {
        let mut target = make();
        for input in (target.right)() {
            let said = (target.run)(&input);
            assert!(!said.contains("rest") && !said.contains("early"), "{}: {said}", target.name);
        }
    }
}
