//! The task table as a value, and the record as a whole.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::event::Event;
use super::image::{Image, TaskEntry};
use super::layout::{Who, head, task, wait};
use super::shared::Shared;
use super::wait::WaitsFor;
use super::who::{Cause, TaskId};

/// Turns ticks into time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) base: u64,
    pub(super) ns_per_tick: f64,
}

impl Scale {
    pub(super) fn of(header: &[u64]) -> Self {
        let ns_per_tick = f64::from_bits(header[head::NS_PER_TICK]);
        let ns_per_tick = if ns_per_tick.is_finite() { ns_per_tick.max(0.0) } else { 1.0 };
        Self { base: header[head::BASE_TICKS], ns_per_tick }
    }

    pub(super) fn duration(self, ticks: u64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and what is too large becomes the largest"
        )]
        Duration::from_nanos((ticks as f64 * self.ns_per_tick).round() as u64)
    }

    /// The time since the start.
    pub(super) fn moment(self, ticks: u64) -> Duration {
        self.duration(ticks.saturating_sub(self.base))
    }
}

/// A copy of all that a reactor has recorded: the last events, and the tasks that it has.
///
/// [`Reactor::record`](crate::Reactor::record) and [`Handle::record`](crate::Handle::record) make one,
/// the latter from any thread and while a task keeps the reactor; [`Record::open`] reads the file of
/// another process, dead or alive. Nobody is stopped for it, and no future is polled.
#[derive(Clone, Debug)]
pub struct Record {
    events: Vec<Event>,
    overwritten: u64,
    dump: Dump,
}

impl Record {
    /// Nothing: there is no recorder.
    pub(crate) fn empty() -> Self {
        Self { events: Vec::new(), overwritten: 0, dump: Dump::default() }
    }

    pub(crate) fn of(shared: &Shared) -> Self {
        Self::from_image(&Image::of(shared))
    }

    /// Reads a file that a reactor has written, or is writing. Its name is that in
    /// [`Recording::File`](super::Recording::File).
    ///
    /// # Errors
    ///
    /// When it cannot be read; `InvalidData` when it is no such file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::from_image(&Image::read(path.as_ref())?))
    }

    pub(super) fn from_image(image: &Image) -> Self {
        let scale = Scale::of(&image.head);
        let event = |&(n, words): &_| Event::of(image, scale, n, words);
        let events: Vec<Event> = image.events.iter().map(event).collect();
        let overwritten = image.events.first().map_or(image.head[head::HEAD], |(first, _)| *first);
        Self { events, overwritten, dump: Dump::of(image, scale) }
    }

    /// The events that are still there, the oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many events came before them.
    pub fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// The tasks.
    pub fn dump(&self) -> &Dump {
        &self.dump
    }
}

/// The tasks of a reactor, and what each of them waits for; prints as a list.
///
/// Tasks are copied one after the other while the reactor goes on: one that begins or ends meanwhile
/// may be missing, and the figures of a task may be those of two moments.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Dump {
    /// The process.
    pub process: u32,
    /// The number of the reactor in its process, in the order in which they were built.
    pub reactor: u64,
    /// When the record was copied, or for a file when it was last written; since the reactor was built.
    pub time: Duration,
    /// The classes, by the index that events and tasks give.
    pub classes: Vec<ClassName>,
    /// By their slots.
    pub tasks: Vec<TaskReport>,
    /// Parts of the task table for which no place was left in the file. Tasks in them are missing in what
    /// was read from a file.
    pub parts_not_in_the_file: u64,
}

/// A class in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassName {
    /// Its name.
    pub name: String,
    /// Its strict rank.
    pub rank: u8,
}

/// A task in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskReport {
    /// Its id.
    pub id: TaskId,
    /// Its name, if it has one; cut off after 63 bytes. The future in `block_on` is called so.
    pub name: Option<String>,
    /// Where in the source it was spawned, as `file:line:column`.
    pub spawned_at: Option<String>,
    /// Who spawned it.
    pub parent: Cause,
    /// Its class, as an index into [`Dump::classes`].
    pub class: u8,
    /// What it does.
    pub state: TaskState,
    /// How often it was polled, modulo 2^32.
    pub polls: u64,
    /// How long its polls took.
    pub cpu: Duration,
    /// How long the longest of them took, within a ten-millionth of a second; at most some minutes.
    pub longest_poll: Duration,
    /// Who woke it last.
    pub last_waker: Cause,
    /// What it waits for, while it does.
    pub waits_for: WaitsFor,
    /// How many other things it waits for, at most 255.
    pub more_waits: u8,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It is being polled, for so long.
    Running(Duration),
    /// It is in the queue of its class.
    Ready,
    /// It waits.
    Waiting,
    /// It has a result that nobody has taken.
    Done,
}

impl Dump {
    pub(super) fn of(image: &Image, scale: Scale) -> Self {
        let header = &image.head;
        let classes = header[head::CLASSES..head::CLASSES + crate::class::MAX_CLASSES].iter();
        let classes = classes.take_while(|&&word| word >> 24 & 1 == 1).map(|&word| ClassName {
            name: image.text(word & 0xFFFF).unwrap_or_default(),
            rank: (word >> 16 & 0xFF) as u8,
        });
        let report = |(_, entry): &(u32, TaskEntry)| TaskReport::of(image, scale, entry);
        let mut tasks: Vec<_> = image.tasks.iter().filter_map(report).collect();
        name_owners(&mut tasks);
        Self {
            process: u32::try_from(header[head::PID]).unwrap_or_default(),
            reactor: header[head::REACTOR],
            time: scale.moment(header[head::NOW]),
            classes: classes.collect(),
            tasks,
            parts_not_in_the_file: header[head::UNSEEN],
        }
    }

    /// A task by its id.
    pub fn task(&self, id: TaskId) -> Option<&TaskReport> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The tasks of this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &TaskReport> {
        self.tasks.iter().filter(move |task| task.name.as_deref() == Some(name))
    }

    /// The name of a class.
    pub(super) fn class_name(&self, class: u8) -> &str {
        self.classes.get(usize::from(class)).map_or("?", |class| &class.name)
    }
}

/// Who waits for a lock is in the table with the task in front of it. Names the head of each line instead: the
/// task that has the lock, or whose turn it is.
///
/// Each step of a line is taken once: who was passed is known to be behind the head from then on.
fn name_owners(tasks: &mut [TaskReport]) {
    let waits = |task: &TaskReport| match task.waits_for {
        WaitsFor::Lock { lock, owner: Some(ahead) } if task.state == TaskState::Waiting => {
            Some((task.id, (lock, ahead)))
        }
        _ => None,
    };
    let mut lines: HashMap<TaskId, (u64, TaskId)> = tasks.iter().filter_map(waits).collect();
    let mut passed = Vec::new();
    for task in tasks {
        let WaitsFor::Lock { lock, owner: Some(owner) } = &mut task.waits_for else { continue };
        // Tasks were copied one after the other, so what looks like a line may be a circle: it ends where it
        // began, as that is taken out.
        while let Some((_, ahead)) = lines.get(owner).copied().filter(|(same, _)| same == lock) {
            lines.remove(owner);
            passed.push(*owner);
            *owner = ahead;
        }
        lines.extend(passed.drain(..).map(|behind| (behind, (*lock, *owner))));
    }
}

impl TaskReport {
    /// From an entry of the table. None if it is not one of a task.
    pub(super) fn of(image: &Image, scale: Scale, entry: &TaskEntry) -> Option<Self> {
        let about = entry[task::ABOUT];
        let (waits, polls) = (entry[task::WAIT], entry[task::POLLS]);
        let header = &image.head;
        let state = if header[head::RUNNING] == entry[task::TASK] {
            let since = header[head::NOW];
            TaskState::Running(scale.duration(image.copied_at.saturating_sub(since)))
        } else if about >> 24 & 0xFF == task::DONE {
            TaskState::Done
        } else if waits >> wait::KIND_SHIFT == wait::READY {
            TaskState::Ready
        } else {
            TaskState::Waiting
        };
        Some(Self {
            id: TaskId(Who(entry[task::TASK]).name()?),
            name: image.name(entry),
            spawned_at: image.text(about & 0xFFFF),
            parent: Cause::of(Who(entry[task::PARENT])),
            class: (about >> 16 & 0xFF) as u8,
            state,
            polls: polls & u64::from(u32::MAX),
            cpu: scale.duration(entry[task::CPU]),
            longest_poll: scale.duration((polls >> 32) << task::LONGEST_SHIFT),
            last_waker: Cause::of(Who(entry[task::WAKER])),
            waits_for: WaitsFor::from_words(waits, entry[task::WAIT_TASK]),
            more_waits: (waits >> wait::MORE_SHIFT & 0xFF) as u8,
        })
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.process == 0 {
            return f.write_str("nothing is known of the tasks: the recorder is off");
        }
        let tasks = self.tasks.len();
        write!(f, "reactor {} of process {}, after {:?}: ", self.reactor, self.process, self.time)?;
        write!(f, "{tasks} task{}", if tasks == 1 { "" } else { "s" })?;
        for task in &self.tasks {
            write!(f, "\n{task} [{}]", self.class_name(task.class))?;
        }
        if self.parts_not_in_the_file > 0 {
            write!(f, "\nand those for which the file had no place")?;
        }
        Ok(())
    }
}

impl fmt::Display for TaskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        match self.state {
            TaskState::Running(since) => write!(f, " has been running for {since:?}")?,
            TaskState::Ready => write!(f, " is ready")?,
            TaskState::Waiting => write!(f, " waits for {}", self.waits_for)?,
            TaskState::Done => write!(f, " is done and not yet awaited")?,
        }
        if self.more_waits > 0 && self.state == TaskState::Waiting {
            write!(f, " and {} more", self.more_waits)?;
        }
        let Self { polls, cpu, longest_poll, last_waker, .. } = self;
        write!(f, "; {polls} polls took {cpu:?}, the longest {longest_poll:?}; ")?;
        write!(f, "last woken by {last_waker}; spawned")?;
        if let Some(place) = &self.spawned_at {
            write!(f, " at {place}")?;
        }
        if self.parent != Cause::Nobody {
            write!(f, " by {}", self.parent)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    fn id(slot: u32) -> TaskId {
        TaskId(Name::new(0, 1, slot))
    }

    /// A task that waits for a lock behind another one.
    fn waits(task: u32, lock: u64, ahead: u32) -> TaskReport {
        TaskReport {
            id: id(task),
            name: None,
            spawned_at: None,
            parent: Cause::Reactor,
            class: 0,
            state: TaskState::Waiting,
            polls: 1,
            cpu: Duration::ZERO,
            longest_poll: Duration::ZERO,
            last_waker: Cause::Reactor,
            waits_for: WaitsFor::Lock { lock, owner: Some(id(ahead)) },
            more_waits: 0,
        }
    }

    fn owners(mut tasks: Vec<TaskReport>) -> Vec<TaskId> {
        name_owners(&mut tasks);
        let owner = |task: TaskReport| match task.waits_for {
            WaitsFor::Lock { owner: Some(owner), .. } => owner,
            other => panic!("{other:?}"),
        };
        tasks.into_iter().map(owner).collect()
    }

    #[test]
    fn the_head_of_each_line_is_named() {
        // 3 and 4 have a lock each, and 4 waits for the other one.
        let tasks = vec![waits(0, 7, 1), waits(1, 7, 3), waits(2, 8, 4), waits(4, 7, 0)];
        assert_eq!(owners(tasks), [id(3), id(3), id(4), id(3)]);
    }

    /// Would every task follow the line by itself, this would take minutes.
    #[test]
    fn a_long_line_is_followed_once() {
        const LEN: u32 = 200_000;
        for is_reversed in [false, true] {
            let mut tasks: Vec<_> = (1..LEN).map(|task| waits(task, 7, task - 1)).collect();
            if is_reversed {
                tasks.reverse();
            }
            assert!(owners(tasks).iter().all(|&owner| owner == id(0)));
        }
    }

    /// What looks like a circle has no head, and an end.
    #[test]
    fn a_circle_ends() {
        let tasks = vec![waits(0, 7, 1), waits(1, 7, 2), waits(2, 7, 0), waits(3, 7, 3)];
        assert!(owners(tasks)[..3].iter().all(|owner| (0..3).any(|task| *owner == id(task))));
    }
}
