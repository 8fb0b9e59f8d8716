//! What nodes execute for the lane: functions that have the same name in each copy of this program.

use std::sync::Arc;

use common::{Fold, Job, Node, Output, Parcel, Tree, body, seq};
use serde_bytes::ByteBuf;

/// What a task gives back.
pub(crate) type TaskResult = Result<Output, String>;

/// A task as it travels: every call carries its whole job.
pub(crate) type Call = (Arc<Job>, u64);

processes::task! {
    "lane.task" =>
    /// Runs a task.
    pub(crate) fn run_task((job, index): Call) -> TaskResult {
        body::run_blocking(&job, index).map_err(|error| error.to_string())
    }
}

processes::task! {
    "lane.piece" =>
    /// Folds a piece of a tree: each worker has a tree of its own, made when it gets its first piece.
    pub(crate) fn run_piece((job, node): (Arc<Job>, Node)) -> Result<Fold, String> {
        let tree = Tree::shared(&job).ok_or("this job is no tree")?;
        Ok(seq::fold(&tree, node))
    }
}

processes::task! {
    "lane.vec" =>
    /// Reads what came as a sequence of numbers.
    pub(crate) fn read_vec(bytes: Vec<u8>) -> Output {
        Parcel::answer(&bytes)
    }
}

processes::task! {
    "lane.bytes" =>
    /// Reads what came as one piece.
    pub(crate) fn read_bytes(bytes: ByteBuf) -> Output {
        Parcel::answer(&bytes)
    }
}
