//! Classes: which tasks go first.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// How many strict ranks the scheduler knows. Queues, counters and masks are sized by it.
pub(crate) const RANKS: usize = 8;

/// How much of the processor's time may be reserved, in thousandths.
pub(crate) const MOST_RESERVED: u32 = 900;

/// The most classes of a reactor, with those that every reactor has.
pub const MAX_CLASSES: usize = 64;

/// The owner of the classes that every reactor has.
const EVERY_REACTOR: u64 = 0;

/// A set of tasks with one scheduling policy.
///
/// Every reactor has four; [`Reactor::add_class`](crate::Reactor::add_class) makes more:
///
/// | class | rank | shares | for |
/// |---|---|---|---|
/// | [`RT`](Self::RT) | 0 | 1,024 | urgent readers, heartbeats, control connections |
/// | [`NORMAL`](Self::NORMAL) | 3 | 1,024 | tasks that do not ask for another one |
/// | [`BATCH`](Self::BATCH) | 3 | 128 | work that may take its time beside others |
/// | [`IDLE`](Self::IDLE) | 7 | 1,024 | what is done only when there is nothing else to do |
///
/// **Ranks** are strict: a task runs only while no task of a more urgent rank (a lower number) is
/// ready, unless its class has a [`reserve`](ClassSpec::reserve) or a
/// [`max_starve`](ClassSpec::max_starve). While a task of a more urgent rank waits for a descriptor or
/// a timer, the reactor looks at both between the polls of others, at the latest
/// [`latency`](ClassSpec::latency) plus one poll after the last look.
///
/// Within a rank, classes get processor time in proportion to their **shares**, as far as they have
/// something to do; time that a class did not use is not saved up for it. This is stride scheduling
/// (Waldspurger and Weihl, 1995), with the time that was used instead of turns.
///
/// Within a class, the order is first in, first out, or that of the tasks'
/// [deadlines](crate::Spawn::deadline).
///
/// A spawned task inherits the class of the task that spawns it.
///
/// A task that holds up a more urgent one runs in the class of that one meanwhile (*priority
/// inheritance*), and its polls are charged to that class: while the urgent task joins it, waits for a lock
/// or permit that it has, or for a channel of which it has the other end.
///
/// Not guaranteed: a less urgent rank may starve for as long as a more urgent one keeps the reactor
/// busy, and a single poll is never interrupted.
#[derive(Clone, Copy)]
pub struct Class {
    /// Its name in reports.
    name: &'static str,
    /// The reactor that it belongs to, by its unique number, or [`EVERY_REACTOR`].
    owner: u64,
    /// Its place in the table of that reactor.
    id: u8,
    /// See [`Rank`].
    rank: Rank,
}

/// A strict rank: 0 is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u8);

impl Rank {
    /// The rank as an index into the arrays sized by [`RANKS`].
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// A mask with its bit.
    pub(crate) const fn bit(self) -> u8 {
        1 << self.0
    }

    /// A mask with the bits of all more urgent ranks.
    pub(crate) const fn above(self) -> u8 {
        self.bit() - 1
    }
}

impl Class {
    /// Goes before everything else.
    pub const RT: Self = Self::of_every_reactor("RT", 0, 0);
    /// The class of tasks that do not ask for another one.
    pub const NORMAL: Self = Self::of_every_reactor("NORMAL", 1, 3);
    /// Gets an eighth of what [`NORMAL`](Self::NORMAL) gets.
    pub const BATCH: Self = Self::of_every_reactor("BATCH", 2, 3);
    /// Goes after everything else.
    pub const IDLE: Self = Self::of_every_reactor("IDLE", 3, 7);

    /// Those that every reactor has, each at the place of its id, with their policy.
    pub(crate) fn defaults() -> [ClassSpec; 4] {
        let spec = |class: Self| ClassSpec::new(class.name).rank(class.rank());
        [
            spec(Self::RT),
            spec(Self::NORMAL),
            spec(Self::BATCH).shares(DEFAULT_SHARES / 8),
            spec(Self::IDLE),
        ]
    }

    const fn of_every_reactor(name: &'static str, id: u8, rank: u8) -> Self {
        Self { name, owner: EVERY_REACTOR, id, rank: Rank(rank) }
    }

    /// The class in place `id` of the reactor with the number `owner`.
    pub(crate) fn new(spec: &ClassSpec, owner: u64, id: u8) -> Self {
        let owner = if usize::from(id) < Self::defaults().len() { EVERY_REACTOR } else { owner };
        Self { name: spec.name, owner, id, rank: Rank(spec.rank) }
    }

    /// The strict rank, 0 (the most urgent) to 7.
    pub fn rank(self) -> u8 {
        self.rank.0
    }

    /// The name as it appears in reports.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The id of a class that every reactor has.
    pub(crate) const fn default_id(self) -> u8 {
        self.id
    }

    /// The rank as the scheduler uses it.
    pub(crate) const fn strict_rank(self) -> Rank {
        self.rank
    }

    /// Its place in the table of the reactor with the number `reactor`.
    ///
    /// # Panics
    ///
    /// When it belongs to another one.
    #[track_caller]
    pub(crate) fn id_in(self, reactor: u64) -> u8 {
        assert!(
            self.owner == EVERY_REACTOR || self.owner == reactor,
            "class {} was added to another reactor: add it to each one that is to have it",
            self.name
        );
        self.id
    }
}

impl Default for Class {
    fn default() -> Self {
        Self::NORMAL
    }
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        (self.owner, self.id) == (other.owner, other.id)
    }
}

impl Eq for Class {}

impl Hash for Class {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.owner, self.id).hash(state);
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// In which order the ready tasks of a class are polled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// First in, first out.
    #[default]
    Fifo,
    /// The task with the nearest [deadline](crate::Spawn::deadline) first; among equal ones, and
    /// among those without, first in, first out. A task without one goes after those that have one.
    Deadline,
}

/// Shares of a class that does not ask for others.
const DEFAULT_SHARES: u32 = 1024;

/// The policy of a class: how it is made, and what can be changed while the reactor runs.
///
/// ```
/// use std::time::Duration;
/// use evented::{ClassSpec, Order, Reactor, Spawn};
///
/// let reactor = Reactor::new()?;
/// let audio = ClassSpec::new("audio").rank(1).order(Order::Deadline).latency(Duration::ZERO);
/// let audio = reactor.add_class(audio)?;
/// let task = reactor.spawn_with(Spawn::new().class(audio), async { 1 });
/// assert_eq!(reactor.block_on(task).expect("it returns"), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a policy does nothing until a class is made with it"]
pub struct ClassSpec {
    /// See [`ClassSpec::new`].
    pub(crate) name: &'static str,
    /// See [`ClassSpec::rank`].
    pub(crate) rank: u8,
    /// See [`ClassSpec::shares`].
    pub(crate) shares: u32,
    /// See [`ClassSpec::latency`]; none: that of the reactor.
    pub(crate) latency: Option<Duration>,
    /// See [`ClassSpec::order`].
    pub(crate) order: Order,
    /// See [`ClassSpec::reserve`], in thousandths.
    pub(crate) reserve: u32,
    /// See [`ClassSpec::max_starve`].
    pub(crate) max_starve: Option<Duration>,
    /// See [`ClassSpec::slice`].
    pub(crate) slice: Option<Duration>,
}

impl ClassSpec {
    /// Rank and shares of [`Class::NORMAL`], first in first out, no guarantee.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            rank: Class::NORMAL.rank.0,
            shares: DEFAULT_SHARES,
            latency: None,
            order: Order::Fifo,
            reserve: 0,
            max_starve: None,
            slice: None,
        }
    }

    /// The strict rank: 0 (the most urgent) to 7.
    pub fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    /// Processor time in proportion to the shares of the other classes of the rank: 1 to 1,000,000.
    /// Default: 1,024.
    pub fn shares(mut self, shares: u32) -> Self {
        self.shares = shares;
        self
    }

    /// The longest gap between two looks at descriptors and timers while others run and a task of
    /// this class waits for one, give or take one poll. Default:
    /// [`Builder::latency`](crate::Builder::latency).
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// In which order its tasks are polled. Default: [`Order::Fifo`].
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The part of the processor's time that it gets while it has something to do, however busy more
    /// urgent ranks are: 0.0 (default) to 0.9, in thousandths, and no more than that for all classes of
    /// a reactor together. The more urgent ranks get the rest.
    /// Values out of this range are refused where the class is made.
    pub fn reserve(mut self, part: f64) -> Self {
        let valid = (0.0..=0.9).contains(&part);
        // Rounded, of a number from 0 to 900.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let thousandths = (part * 1000.0).round() as u32;
        self.reserve = if valid { thousandths } else { u32::MAX };
        self
    }

    /// How long it may be ready without one of its tasks being polled; then one is, however busy
    /// more urgent ranks are. Default: no limit. Given to a class that is in use, it counts from then on, unless
    /// time was [taken](crate::ClassStats::busy) before.
    pub fn max_starve(mut self, limit: Duration) -> Self {
        self.max_starve = Some(limit);
        self
    }

    /// How long a task should keep the reactor in one poll, counted from the first thing it does that
    /// could wait: when that is over, sockets, channels and the like let others run although they are
    /// ready, and so does [`yield_if_needed`](crate::yield_if_needed). Longer than zero. A poll is never
    /// interrupted: a task that does not ask takes what it takes.
    ///
    /// Default: none; then they let others run after 128 operations, which is so in any case, and
    /// `yield_if_needed` after 200 microseconds. With a slice the clock is looked at for each operation.
    pub fn slice(mut self, slice: Duration) -> Self {
        self.slice = Some(slice);
        self
    }

    /// What is wrong with it; reads after "a class".
    pub(crate) fn fault(&self) -> Option<&'static str> {
        const FAULTS: [&str; 4] = [
            "has a rank from 0 to 7",
            "has from 1 to 1,000,000 shares",
            "reserves from 0.0 to 0.9 of the processor's time",
            "has a slice longer than zero, or none",
        ];
        let is_wrong = [
            usize::from(self.rank) >= RANKS,
            !(1..=1_000_000).contains(&self.shares),
            self.reserve > MOST_RESERVED,
            self.slice.is_some_and(|slice| slice.is_zero()),
        ];
        is_wrong.iter().position(|&wrong| wrong).map(|place| FAULTS[place])
    }
}
