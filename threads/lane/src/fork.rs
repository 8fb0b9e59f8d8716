//! What forks, joins and spawns in a pool, as its users would write it.

use common::{
    Digest, Fold, Grid, Job, Node, Outcome, Tally, Tree, Visit,
    lane::{LaneError, Offspring, Plan},
};
use threads::{Pool, Scope};

use crate::pool::RunTask;

/// Folds the whole tree of a plan.
pub(crate) fn tree(pool: &Pool, plan: &Plan) -> Result<Digest, LaneError> {
    let tree = Tree::shared(&plan.job).ok_or_else(|| plan.misfit("tree"))?;
    Ok(pool.install(|| fold(&tree, tree.root())).digest())
}

/// Folds what is below a node: both halves may run at the same time.
fn fold(tree: &Tree, node: Node) -> Fold {
    match tree.visit(node) {
        Visit::Leaf(fold) => fold,
        Visit::Inner { own, left, right } => {
            let (left, right) = threads::join(|| fold(tree, left), || fold(tree, right));
            Fold::of(own, left, right)
        }
    }
}

/// Runs all steps of a grid.
pub(crate) fn loops(pool: &Pool, grid: &mut Grid) -> Digest {
    pool.install(|| {
        grid.run(|before, after| {
            threads::par_chunks_mut(after, before.columns(), |row, cells| before.fill(row, cells));
        })
    })
}

/// Runs tasks that start others, in one scope.
pub(crate) fn spawn(pool: &Pool, run: RunTask, plan: &Plan, offspring: Offspring) -> Outcome {
    let work = Work { run, job: &plan.job, offspring, tally: Tally::default() };
    pool.scope(|scope| work.task(scope, 0));
    work.tally.outcome()
}

/// What the tasks of a scope share.
struct Work<'a> {
    /// How a task is run.
    run: RunTask,
    /// What it does.
    job: &'a Job,
    /// Which tasks it starts.
    offspring: Offspring,
    /// Where it counts itself.
    tally: Tally,
}

impl Work<'_> {
    /// One task, which starts others.
    fn task<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, index: u64) {
        self.tally.take(index, (self.run)(self.job, index));
        for child in self.offspring.children(index) {
            scope.spawn(move || self.task(scope, child));
        }
    }
}
