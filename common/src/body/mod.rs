//! The job bodies, each written once.
//!
//! A body is an `async fn` over [`Io`]: lanes that block drive it with [`drive`],
//! event loops spawn it. The same bodies are written as generators in the Python lane host.

mod access_log;
mod crawl;
mod fault;
mod spin;
mod tree_hash;

use std::{io, time::Duration};

use crate::{
    Body, Io, Job, Output,
    blocking::{BlockingIo, Plain, drive},
    rng::mix,
};

#[cfg(test)]
pub(crate) use access_log::MAX_LINE_BYTES;
pub(crate) use crawl::output_of as crawl_output;
pub use crawl::{ATTEMPTS, links_of};
pub(crate) use spin::steps;
pub use spin::{SLICE, iterations_of, spin};

/// Why a task has no output.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A file or connection failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being read, or whom it talked to.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// What came in was not as expected.
    #[error("{0}")]
    Input(String),
}

impl TaskError {
    /// Turns an I/O error into a task error that names `what` it was about.
    fn io(what: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: what.to_string(), source }
    }
}

/// Runs the task `index` of `job`.
///
/// # Errors
/// When a file cannot be read, the upstream does not answer as it should, or an input is malformed.
///
/// # Panics
/// When the job asks for it: the culprit of a [`Fault`](crate::Fault) goes wrong as told, which may
/// also end the process.
pub async fn run<I: Io>(io: &I, job: &Job, index: u64) -> Result<Output, TaskError> {
    match &job.body {
        Body::Spin(task) => Ok(Output::Word(
            spin(io, mix(job.seed ^ index), iterations_of(task, job.seed, index)).await,
        )),
        Body::Wait(task) => {
            io.wait(Duration::from_micros(task.wait_us)).await;
            Ok(Output::Word(mix(job.seed ^ index)))
        }
        Body::TreeHash(task) => tree_hash::run(io, task, index).await,
        Body::AccessLog(task) => access_log::run(io, task, index).await,
        Body::Crawl(task) => crawl::run(io, task, index).await,
        Body::Wavefront(task) => {
            Ok(Output::Word(spin(io, mix(job.seed ^ index), task.iterations).await))
        }
        Body::Fork(_) | Body::Stencil(_) | Body::Payload(_) => Err(TaskError::Input(
            "a tree, a grid and a payload are no tasks that can be run by number".into(),
        )),
        Body::Fault(task) => fault::run(io, task, job.seed, index).await,
        Body::Dummy(_) => Ok(Output::Word(mix(job.seed ^ index))),
    }
}

/// [`run`] on the calling thread, which blocks until the task is done.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub fn run_blocking(job: &Job, index: u64) -> Result<Output, TaskError> {
    drive(run(&BlockingIo::new(Plain), job, index))
}
