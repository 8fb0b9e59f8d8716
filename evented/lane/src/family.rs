//! Tasks that start others.

use std::rc::Rc;

use common::{Job, Outcome, Tally, lane::Offspring};
use evented::Task;

use crate::io::run_task;

/// Runs the task `first` and all that come of it, on the loop that polls this.
pub(crate) async fn family(job: Rc<Job>, offspring: Offspring, first: u64) -> Outcome {
    let tally = Rc::new(Tally::default());
    wait_for(start(&job, offspring, &tally, first), &tally).await;
    tally.outcome()
}

/// A task with its index.
type Started = (u64, Task<()>);

/// Starts a task, which starts others and waits for them.
fn start(job: &Rc<Job>, offspring: Offspring, tally: &Rc<Tally>, index: u64) -> Started {
    let (job, tally) = (Rc::clone(job), Rc::clone(tally));
    let task = evented::spawn(async move {
        tally.take(index, run_task(&job, index).await);
        let children = offspring.children(index);
        let children: Vec<Started> =
            children.map(|child| start(&job, offspring, &tally, child)).collect();
        for child in children {
            wait_for(child, &tally).await;
        }
    });
    (index, task)
}

/// Awaits a task, which has counted itself unless it panicked.
async fn wait_for((index, task): Started, tally: &Tally) {
    if let Err(error) = task.await {
        tally.take(index, Err(error));
    }
}
