//! How a task is to be spawned.

use std::time::{Duration, Instant};

use crate::class::Class;

/// Options of [`spawn_with`](crate::spawn_with).
///
/// ```
/// use evented::{Class, Spawn};
///
/// # evented::block_on(async {
/// let options = Spawn::new().name("heartbeat").class(Class::RT);
/// let task = evented::spawn_with(options, async { 42 });
/// assert_eq!(task.await.expect("it returns"), 42);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until they are used to spawn"]
pub struct Spawn {
    /// Shown in errors and reports.
    name: Option<Box<str>>,
    /// None: that of the spawning task.
    class: Option<Class>,
    /// From the spawn on.
    deadline: Option<Duration>,
}

impl Spawn {
    /// No name, the class of the spawning task.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task in errors and reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into_boxed_str());
        self
    }

    /// Puts the task into a class.
    pub fn class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }

    pub(crate) fn name_asked_for(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn take_name(&mut self) -> Option<Box<str>> {
        self.name.take()
    }

    /// By when the task is to be done: so long after it was spawned. Decides the order in a class
    /// with [`Order::Deadline`](crate::Order::Deadline), and is counted as missed if the task finishes
    /// later; nothing else happens then. Default: none. A task that works in periods calls
    /// [`set_deadline`](fn@crate::set_deadline) for each.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Some(after);
        self
    }

    pub(crate) fn class_asked_for(&self) -> Option<Class> {
        self.class
    }

    /// The deadline of a task that is spawned now. One too far away for the clock is none.
    pub(crate) fn deadline_from(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let after = self.deadline?;
        now().checked_add(after)
    }
}
