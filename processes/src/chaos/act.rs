//! What the calls of a storm do: mostly their work, and else one of everything that can go wrong
//! inside of a call.

use std::fs::File;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, Signal, getpid, getrlimit, kill_process, setrlimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::random::Random;
use crate::SharedAtomics;
use crate::fault::{self, Step};

/// What a call of a storm does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Act {
    /// Computes for so many steps.
    Work(u32),
    /// Brings so many bytes and takes as many back.
    Carry(usize),
    /// Brings (`true`) or takes back more than the pool allows.
    TooMuch(bool),
    /// Panics.
    Panic,
    /// Ends the process with [`EXIT_CODE`].
    Exit,
    /// Sends this signal to its own process.
    Raise(i32),
    /// Is killed in the middle of encoding its result.
    DieEncoding,
    /// Its argument (`true`) or its result cannot be encoded.
    NoEncode(bool),
    /// Its argument (`true`) or its result cannot be decoded.
    NoDecode(bool),
    /// Lets its process die when it comes to a step for the so manieth time.
    Arm(Step, u32),
    /// Stops its own process; only with a limit.
    Stop,
    /// Never ends; only with a limit.
    Hang,
    /// Leaves its process without descriptors until the next call.
    Hoard,
}

/// The exit code of [`Act::Exit`].
pub(super) const EXIT_CODE: i32 = 3;

/// The largest argument or result of a storm's pool.
pub(super) const MAX_PAYLOAD: usize = 1 << 20;

impl Act {
    /// Something to do. `limited`: whether the call has a time limit; `starved`: whether descriptors
    /// may run out.
    pub(super) fn choose(random: &mut Random, limited: bool, starved: bool) -> Self {
        let spins =
            |random: &mut Random| u32::try_from(random.below(20_000)).expect("a small number");
        match random.below(100) {
            70..77 => Self::Carry(random.index(200_000)),
            77 => Self::TooMuch(random.percent(50)),
            78..80 => Self::Panic,
            80..82 => Self::Exit,
            82..84 => {
                let signal = if random.percent(50) { Signal::ABORT } else { Signal::SEGV };
                Self::Raise(signal.as_raw())
            }
            84..86 => Self::DieEncoding,
            86 => Self::NoEncode(random.percent(50)),
            87 => Self::NoDecode(random.percent(50)),
            88..95 => {
                let step = Step::ALL[random.index(Step::ALL.len())];
                Self::Arm(step, u32::try_from(random.below(3)).expect("a small number"))
            }
            95 if limited => Self::Stop,
            96 if limited => Self::Hang,
            97 if starved => Self::Hoard,
            _ => Self::Work(spins(random)),
        }
    }
}

/// The argument of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// What it does.
    pub(super) act: Act,
    /// Its number in the storm.
    pub(super) index: u64,
    /// How often each call of the storm was executed.
    pub(super) marks: SharedAtomics<AtomicU32>,
    /// What it carries.
    load: Vec<u8>,
    /// Whether it can travel.
    gate: Gate,
}

impl Order {
    /// The order to do something.
    pub(super) fn new(act: Act, index: u64, marks: &SharedAtomics<AtomicU32>) -> Self {
        let bytes = match act {
            Act::Carry(bytes) => bytes,
            Act::TooMuch(true) => MAX_PAYLOAD,
            _ => 0,
        };
        let gate = match act {
            Act::NoEncode(true) => Gate::NoEncode,
            Act::NoDecode(true) => Gate::NoDecode,
            _ => Gate::Open,
        };
        Self { act, index, marks: marks.clone(), load: pattern(index, bytes), gate }
    }
}

/// The result of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The number of the call.
    pub(super) index: u64,
    /// What it carries.
    pub(super) load: Vec<u8>,
    /// Whether it can travel.
    gate: Gate,
    /// Comes last.
    pub(super) end: u32,
}

/// The last field of each answer.
pub(super) const END: u32 = 0x600d_600d;

/// Whether a value can travel.
#[derive(Clone, Copy, Debug)]
enum Gate {
    /// It can.
    Open,
    /// It cannot be encoded.
    NoEncode,
    /// It cannot be decoded.
    NoDecode,
    /// Its process dies when it is encoded.
    Die,
}

impl Serialize for Gate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Open => serializer.serialize_bool(true),
            Self::NoDecode => serializer.serialize_bool(false),
            Self::NoEncode => Err(serde::ser::Error::custom(NO_ENCODE)),
            Self::Die => die(),
        }
    }
}

/// What a value says that cannot be encoded.
pub(super) const NO_ENCODE: &str = "it stays here";

/// What a value says that cannot be decoded.
pub(super) const NO_DECODE: &str = "it does not come";

impl<'de> Deserialize<'de> for Gate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Self::Open)
        } else {
            Err(serde::de::Error::custom(NO_DECODE))
        }
    }
}

/// What a call with this number carries.
pub(super) fn pattern(index: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random::new(index);
    let mut load: Vec<u8> =
        (0..bytes.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    load.truncate(bytes);
    load
}

/// What [`Act::Hoard`] keeps until the next call.
static HOARD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Does what an order says.
pub(super) fn perform(order: Order) -> Answer {
    HOARD.lock().unwrap_or_else(PoisonError::into_inner).clear();
    order.marks[usize::try_from(order.index).expect("an index")].fetch_add(1, Ordering::Relaxed);
    let mut gate = Gate::Open;
    let mut load = Vec::new();
    match order.act {
        Act::Work(spins) => work(spins),
        Act::Carry(bytes) => {
            assert_eq!(order.load, pattern(order.index, bytes), "what was carried has changed");
            load = order.load;
        }
        Act::TooMuch(_) => load = vec![7; MAX_PAYLOAD],
        Act::Panic => panic!("call {} panics", order.index),
        Act::Exit => std::process::exit(EXIT_CODE),
        Act::Raise(signal) => raise(signal),
        Act::DieEncoding => gate = Gate::Die,
        Act::NoEncode(_) => gate = Gate::NoEncode,
        Act::NoDecode(_) => gate = Gate::NoDecode,
        Act::Arm(step, passes) => fault::arm(step, passes),
        Act::Stop => {
            raise(Signal::STOP.as_raw());
            // Somebody lets it go on; its limit ends it all the same.
            park();
        }
        Act::Hang => park(),
        Act::Hoard => hoard(),
    }
    Answer { index: order.index, load, gate, end: END }
}

/// Computes.
pub(super) fn work(spins: u32) {
    let mut value = u64::from(spins);
    for _ in 0..spins {
        value = black_box(value.rotate_left(7) ^ 0x55);
    }
    black_box(value);
}

/// Sends a signal to this process.
fn raise(signal: i32) {
    let signal = Signal::from_named_raw(signal).expect("a storm knows its signals");
    kill_process(getpid(), signal).expect("a process may signal itself");
}

/// Kills this process.
fn die() -> ! {
    raise(Signal::KILL.as_raw());
    park()
}

/// Never returns.
fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Opens files until none can be opened.
fn hoard() {
    let old = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(48), maximum: old.maximum };
    setrlimit(Resource::Nofile, few).expect("a process may lower its limit");
    let files = std::iter::from_fn(|| File::open("/dev/null").ok());
    HOARD.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
}
