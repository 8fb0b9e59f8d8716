//! The shape *graph*: tasks that become ready as others finish.

mod crawl;
mod wavefront;

use crate::{Body, Job, Output};

use self::{crawl::Pages, wavefront::Square};

/// What a graph has still to do: the coordinator of a lane asks it which task to run next and tells
/// it what came back.
///
/// It hands out each task once and never more at a time than allowed, whatever the lane.
#[derive(Debug)]
pub struct Frontier(Kind);

/// What the tasks are.
#[derive(Debug)]
enum Kind {
    /// The pages of a site, found by links.
    Pages(Pages),
    /// A square of tasks that depend on their neighbours.
    Square(Square),
}

impl Frontier {
    /// The frontier of `job`, with the first task ready; `None` when the job is no graph.
    pub fn new(job: &Job) -> Option<Self> {
        match &job.body {
            Body::Crawl(crawl) => Some(Self(Kind::Pages(Pages::new(crawl)))),
            Body::Wavefront(wavefront) => Some(Self(Kind::Square(Square::new(wavefront)))),
            _ => None,
        }
    }

    /// A task that may run now, if there is one; it counts as in flight until
    /// [`finish`](Self::finish).
    pub fn next_ready(&mut self) -> Option<u64> {
        match &mut self.0 {
            Kind::Pages(pages) => pages.next_ready(),
            Kind::Square(square) => square.next_ready(),
        }
    }

    /// Takes what the task `index` put out: others may become ready.
    ///
    /// # Panics
    /// If the task is not in flight.
    pub fn finish(&mut self, index: u64, output: &Output) {
        match &mut self.0 {
            Kind::Pages(pages) => pages.finish(index, output),
            Kind::Square(square) => square.finish(index),
        }
    }

    /// Whether nothing is ready and nothing in flight.
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Kind::Pages(pages) => pages.is_done(),
            Kind::Square(square) => square.is_done(),
        }
    }

    /// Most tasks that can be in flight at once.
    pub fn most_in_flight(&self) -> u64 {
        match &self.0 {
            Kind::Pages(pages) => pages.most_in_flight(),
            Kind::Square(square) => square.most_in_flight(),
        }
    }
}
