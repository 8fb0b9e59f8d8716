//! The right answers, computed without any lane.

use std::{io, net::SocketAddr, ops::Range, path::Path, time::Duration};

use crate::{
    Body, Digest, Io, Job, Output,
    blocking::{BlockingStream, Plain, drive, read_file},
    body::{self, TaskError},
    lane::Shape,
    site::Site,
};

use super::Point;

/// Why there is no right answer.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// A task failed.
    #[error("task {index}: {source}")]
    Task {
        /// Which.
        index: u64,
        /// Why.
        source: TaskError,
    },
    /// The point is a graph without a site.
    #[error("nothing is known about the graph of this point")]
    UnknownGraph,
}

/// What the outputs of all tasks of `point` fold to; the culprit of a fault is left out.
///
/// # Errors
/// When an input file cannot be read.
pub fn reference(point: &Point) -> Result<Digest, ReferenceError> {
    match (point.plan.shape, &point.site) {
        (Shape::Graph, Some(site)) => Ok(of_site(site)),
        (Shape::Graph, None) => Err(ReferenceError::UnknownGraph),
        (Shape::Bag { tasks }, _) => of_bag(&point.plan.job, tasks),
    }
}

/// All pages, none of them fetched.
fn of_site(site: &Site) -> Digest {
    let mut digest = Digest::default();
    for page in 0..site.pages() {
        digest.add(u64::from(page), &body::crawl_output(&site.body(page)));
    }
    digest
}

/// All tasks one after another, without their waits.
fn of_bag(job: &Job, tasks: u64) -> Result<Digest, ReferenceError> {
    let culprit = match &job.body {
        Body::Fault(fault) => Some(fault.culprit),
        _ => None,
    };
    let mut digest = Digest::default();
    for index in (0..tasks).filter(|index| Some(*index) != culprit) {
        let output: Output = drive(body::run(&WithoutWaits, job, index))
            .map_err(|source| ReferenceError::Task { index, source })?;
        digest.add(index, &output);
    }
    Ok(digest)
}

/// Reads files, but neither waits nor talks to anybody.
struct WithoutWaits;

impl Io for WithoutWaits {
    type Stream = BlockingStream<Plain>;

    async fn wait(&self, _: Duration) {}

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        Err(io::Error::other(format!("a reference does not connect, as asked, to {to}")))
    }

    async fn read_file(&self, path: &Path, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
        read_file(path, range)
    }

    async fn yield_now(&self) {}
}
