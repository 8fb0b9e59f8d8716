//! What a task slot points to: the future, later its result.

use std::any::Any;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::error::JoinError;
use super::options::Spawn;
use crate::contain::Payload;

/// A future of any type together with the room for its result; the one box of a task.
///
/// | stage    | what it holds      | next                                              |
/// |----------|--------------------|---------------------------------------------------|
/// | running  | the future         | done: it returned, panicked or was cancelled       |
/// | done     | result or error    | taken: the task was awaited                        |
/// | taken    | nothing            | -                                                 |
pub(crate) trait Body {
    /// Polls the future. A panic of the user's code goes through.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Drops the future, or the result, and puts `error` in its place. A panic of the user's drop
    /// goes through, after `error` is in place.
    fn fail(self: Pin<&mut Self>, error: JoinError);

    /// Moves the result into `out`, an `Option<Result<T, JoinError>>` of the task's type.
    fn take(self: Pin<&mut Self>, out: &mut dyn Any);

    /// The error for a panic with this payload.
    fn panicked(&self, payload: Payload) -> JoinError;
}

pin_project! {
    /// See [`Body`].
    pub(crate) struct Job<F: Future> {
        #[pin]
        stage: Stage<F>,
        // For reports.
        origin: Origin,
    }
}

/// Where a task was spawned, and its name if it was given one: few are, and a box costs the others
/// nothing.
enum Origin {
    /// It has no name.
    Unnamed(&'static Location<'static>),
    /// It has.
    Named(Box<(Box<str>, &'static Location<'static>)>),
}

pin_project! {
    #[project = StageProjection]
    #[project_replace = StageReplaced]
    enum Stage<F: Future> {
        Running { #[pin] future: F },
        Done { result: Result<F::Output, JoinError> },
        Taken,
    }
}

impl<F: Future> Job<F> {
    pub(crate) fn new(
        future: F,
        options: &mut Spawn,
        location: &'static Location<'static>,
    ) -> Self {
        let origin = match options.take_name() {
            None => Origin::Unnamed(location),
            Some(name) => Origin::Named(Box::new((name, location))),
        };
        Self { stage: Stage::Running { future }, origin }
    }
}

impl<F> Body for Job<F>
where
    F: Future,
    F::Output: 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut stage = self.project().stage;
        if let StageProjection::Running { future } = stage.as_mut().project() {
            let result = Ok(ready!(future.poll(cx)));
            // Drops the future; should that panic, the new stage is in place already.
            stage.set(Stage::Done { result });
        }
        Poll::Ready(())
    }

    fn fail(self: Pin<&mut Self>, error: JoinError) {
        self.project().stage.set(Stage::Done { result: Err(error) });
    }

    fn take(self: Pin<&mut Self>, out: &mut dyn Any) {
        let out = out
            .downcast_mut::<Option<Result<F::Output, JoinError>>>()
            .expect("a `Task<T>` belongs to a future with output `T`");
        if let StageReplaced::Done { result } = self.project().stage.project_replace(Stage::Taken) {
            *out = Some(result);
        }
    }

    fn panicked(&self, payload: Payload) -> JoinError {
        match &self.origin {
            Origin::Unnamed(location) => JoinError::panicked(None, location, payload),
            Origin::Named(named) => JoinError::panicked(Some(&named.0), named.1, payload),
        }
    }
}
