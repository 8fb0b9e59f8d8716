//! How a task is to be spawned.

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

    pub(crate) fn take_name(&mut self) -> Option<Box<str>> {
        self.name.take()
    }

    pub(crate) fn class_or(&self, inherited: Class) -> Class {
        self.class.unwrap_or(inherited)
    }
}
