//! The right answers, computed without any lane.

use std::{io, net::SocketAddr, ops::Range, path::Path, time::Duration};

use crate::{
    Body, Digest, Grid, Io, Job, Output, Parcel, Tree,
    blocking::{BlockingStream, Plain, drive, read_file},
    body::{self, TaskError},
    lane::Shape,
    payload::stamp,
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
    /// The job is not what the shape says.
    #[error("this job is no {0}")]
    Misfit(&'static str),
}

/// What the outputs of all tasks of `point` fold to; the culprit of a fault is left out.
///
/// # Errors
/// When an input file cannot be read.
pub fn reference(point: &Point) -> Result<Digest, ReferenceError> {
    let job = &point.plan.job;
    match (point.plan.shape, &job.body, &point.site) {
        (Shape::Graph, _, Some(site)) => Ok(of_site(site)),
        (Shape::Graph, Body::Wavefront(square), _) => of_bag(job, u64::from(square.side).pow(2)),
        (Shape::Graph, ..) => Err(ReferenceError::UnknownGraph),
        (Shape::Bag { tasks }, ..) => of_bag(job, tasks),
        (Shape::Spawn(offspring), ..) => of_bag(job, offspring.tasks),
        (Shape::Tree, ..) => {
            let tree = Tree::new(job).ok_or(ReferenceError::Misfit("tree"))?;
            Ok(tree.reference().digest())
        }
        (Shape::Loops, Body::Stencil(size), _) => Ok(Grid::reference(job.seed, *size)),
        (Shape::Loops, ..) => Err(ReferenceError::Misfit("grid")),
        (Shape::Transfer, ..) => of_transfers(job),
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

/// All answers, without anything having been handed over.
fn of_transfers(job: &Job) -> Result<Digest, ReferenceError> {
    let mut parcel = Parcel::of(job).ok_or(ReferenceError::Misfit("payload"))?;
    let mut digest = Digest::default();
    for index in 0..parcel.plan.transfers {
        stamp(&mut parcel.bytes, index);
        digest.add(index, &Parcel::answer(&parcel.bytes));
    }
    Ok(digest)
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
