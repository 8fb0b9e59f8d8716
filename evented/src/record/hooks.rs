//! What is called when something happens that somebody should know of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::layout::{Who, head};
use super::report::{Record, Scale};
use super::shared::Shared;
use super::who::Cause;

/// What keeps a reactor, while it does; for [`Builder::on_block`](crate::Builder::on_block).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocked {
    /// The number of the reactor in its process.
    pub reactor: u64,
    /// A task, or [`Cause::Call`] for a closure that another thread has sent.
    pub what: Cause,
    /// The name of the task.
    pub name: Option<String>,
    /// Where the task was spawned, as `file:line:column`.
    pub spawned_at: Option<String>,
    /// The name of the class of the task.
    pub class: Option<String>,
    /// For how long the reactor has not gone on.
    pub elapsed: Duration,
    /// How often that was told of this poll before.
    pub times: u32,
}

impl Blocked {
    /// What a reactor is in. None if it is in neither a task nor a call.
    pub(crate) fn now(reactor: u64, shared: &Shared) -> Option<Self> {
        let header = shared.header();
        let load = |word: usize| header[word].load(Ordering::Acquire);
        let (who, since) = (Who(load(head::RUNNING)), load(head::NOW));
        let scale = Scale { base: since, ns_per_tick: f64::from_bits(load(head::NS_PER_TICK)) };
        let is_kept = who == Who::CALL || who.name().is_some();
        let record = Record::of(shared);
        is_kept.then(|| Self::of(reactor, &record, who, scale.moment(shared.ticks()), 0))
    }

    /// As a record tells.
    pub(super) fn of(
        reactor: u64,
        record: &Record,
        who: Who,
        elapsed: Duration,
        times: u32,
    ) -> Self {
        let dump = record.dump();
        let what = Cause::of(who);
        let task = if let Cause::Task(id) = what { dump.task(id) } else { None };
        Self {
            reactor,
            what,
            name: task.and_then(|task| task.name.clone()),
            spawned_at: task.and_then(|task| task.spawned_at.clone()),
            class: task.map(|task| dump.class_name(task.class).to_owned()),
            elapsed,
            times,
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        if let Some(class) = &self.class {
            write!(f, " of class {class}")?;
        }
        if let Some(place) = &self.spawned_at {
            write!(f, ", spawned at {place},")?;
        }
        write!(f, " has kept reactor {} from going on for {:?}", self.reactor, self.elapsed)
    }
}

/// What makes a reactor hand out its record, for [`Builder::record_on`](crate::Builder::record_on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trigger {
    /// A poll took longer than [`RecorderSpec::slow_poll`](super::RecorderSpec::slow_poll).
    SlowPoll,
    /// A task has missed its deadline.
    DeadlineMiss,
    /// A task has panicked.
    Panic,
}

impl Trigger {
    /// Its bit in a set.
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Told of what blocks.
type OnBlock = Arc<dyn Fn(&Blocked) + Send + Sync>;
/// Given a record.
type OnTrigger = Arc<dyn Fn(Trigger, &Record) + Send + Sync>;

/// What a builder was told to call, and when.
#[derive(Clone)]
pub(crate) struct Hooks {
    /// After how long a poll counts as one that blocks. None: never.
    pub(super) limit: Option<Duration>,
    pub(super) on_block: OnBlock,
    /// A set of [`Trigger::bit`]s.
    pub(super) triggers: u8,
    pub(super) on_trigger: Option<OnTrigger>,
}

/// A poll that takes longer than this blocks the loop, if nothing else was said. No server answers in
/// time that long, and a machine that is merely busy seldom keeps a thread for that long.
const LIMIT: Duration = Duration::from_millis(250);

impl Default for Hooks {
    fn default() -> Self {
        Self { limit: Some(LIMIT), on_block: Arc::new(tell), triggers: 0, on_trigger: None }
    }
}

impl Hooks {
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = (limit < Duration::MAX).then(|| limit.max(Duration::from_millis(1)));
    }

    pub(crate) fn set_on_block(&mut self, hook: impl Fn(&Blocked) + Send + Sync + 'static) {
        self.on_block = Arc::new(hook);
    }

    pub(crate) fn set_on_trigger(
        &mut self,
        triggers: impl IntoIterator<Item = Trigger>,
        hook: impl Fn(Trigger, &Record) + Send + Sync + 'static,
    ) {
        self.triggers = triggers.into_iter().fold(0, |set, trigger| set | trigger.bit());
        self.on_trigger = Some(Arc::new(hook));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Says it on standard error.
fn tell(blocked: &Blocked) {
    use std::io::Write;
    // Nobody can be told that nobody can be told.
    drop(writeln!(std::io::stderr(), "evented: {blocked}"));
}
