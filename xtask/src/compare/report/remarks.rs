//! What has to be known about the measurements: whether they are whole, how disturbed they were,
//! what went wrong.

use crate::{
    compare::{
        judge::{Floor, words::percent},
        question::CONTROLLED,
        record::{Cell, Finish, Noise, Run},
    },
    stats::Band,
};

use super::{entry, grid::workloads};

/// The tier in which only results count.
const SMOKE: &str = "smoke";

/// The share of disturbed rounds from which a host counts as noisy.
const NOISY_ROUNDS: f64 = 0.25;

/// The share of the machine used by others from which a host counts as noisy.
const NOISY_CPU: f64 = 0.10;

/// What a reader has to know before anything else.
pub(super) fn on_top(run: &Run) -> Vec<String> {
    let remarks = [unfinished(run), wrong_cells(run), noisy_host(&run.noise)];
    remarks.into_iter().flatten().chain(run.warnings.iter().cloned()).collect()
}

/// What is said of a run that did not get to its end.
fn unfinished(run: &Run) -> Option<String> {
    let measured = run.cells.iter().filter(|cell| cell.verify.ok.is_some()).count();
    let what = match run.finish {
        Finish::Complete => return None,
        Finish::Interrupted => "INTERRUPTED",
        Finish::Running => "NOT FINISHED",
    };
    Some(format!(
        "{what}: these are partial results. {measured} of {} cells were begun in {} workloads; \
         with rounds missing, intervals are wider or only ranges.",
        run.cells.len(),
        workloads(run).len()
    ))
}

/// What is said on top of a run with cells that have no times to show.
fn wrong_cells(run: &Run) -> Option<String> {
    let count = run.cells.iter().filter(|cell| cell.verify.problem.is_some()).count();
    (count > 0).then(|| {
        format!(
            "PROBLEMS: {count} of {} cells show what went wrong instead of a time; all of it is \
             listed under Problems.",
            run.cells.len()
        )
    })
}

/// What is said on top of a run that was measured on a noisy host.
fn noisy_host(noise: &Noise) -> Option<String> {
    is_noisy(noise).then(|| {
        "NOISY HOST: others used this machine while it measured. Differences in wall-clock time \
         are uncertain; look at CPU time (CPU-s in the tables), which depends less on others."
            .to_owned()
    })
}

/// Whether others used the machine so much that wall-clock times are uncertain.
fn is_noisy(noise: &Noise) -> bool {
    let rounds = noise.noisy_rounds as f64 > NOISY_ROUNDS * noise.rounds as f64;
    rounds || noise.foreign_cpu.is_some_and(|share| share > NOISY_CPU)
}

/// How disturbed the measurements were, in sentences.
pub(super) fn noise(run: &Run) -> Vec<String> {
    let noise = &run.noise;
    if noise.rounds == 0 {
        return vec!["no round was timed".into()];
    }
    let others = noise.foreign_cpu.map_or_else(
        || "how much of it in the median was not measured".into(),
        |share| format!("in the median they used {}", percent(share)),
    );
    let word = if is_noisy(noise) { "noisy" } else { "quiet" };
    let repeated = if run.tier == SMOKE {
        "in this tier, none was repeated"
    } else {
        "such rounds are repeated, twice in a workload at most"
    };
    let rounds = format!(
        "a {word} host: in {} of {} rounds others used more than 10 % of the machine ({others}); \
         {repeated}",
        noise.noisy_rounds, noise.rounds
    );
    let control = noise.control_half_width.map_or_else(
        || {
            format!(
                "no lane was compared with itself (A/A): differences up to {} count as a tie",
                percent(Band::FLOOR)
            )
        },
        |width| {
            format!(
                "{CONTROLLED} compared with itself (A/A) differed by up to {}, at the noisiest \
                 point; each answer shows the noise of its own, below which, or below {}, nothing \
                 counts as a difference",
                percent(width),
                percent(Band::FLOOR)
            )
        },
    );
    vec![rounds, control]
}

/// The noise floor below an answer, in a sentence that is understood beside it.
pub(super) fn floor(floor: &Floor) -> String {
    let band = percent(floor.band);
    let Some(control) = floor.control.map(percent) else {
        return format!("not measured here: a difference below {band} counts as a tie");
    };
    let differed = format!("{CONTROLLED} differed from itself by up to {control}");
    if floor.ties {
        format!("{differed}: a difference below {band} counts as a tie")
    } else {
        format!("{differed}: below that, neither a difference nor a tie can be told")
    }
}

/// Everything that went wrong, in full.
pub(super) fn problems(run: &Run) -> Vec<String> {
    let wrong = run.cells.iter().filter_map(|cell| {
        let problem = cell.verify.problem.as_ref()?;
        Some(format!("{}: {}: {}", place(cell), entry::word(problem.kind), problem.why))
    });
    wrong.chain(run.cells.iter().filter_map(leftovers)).collect()
}

/// Which cell.
fn place(cell: &Cell) -> String {
    let point = if cell.point.is_empty() { String::new() } else { format!(" {}", cell.point) };
    format!("{}{point}, lane {}", cell.workload, cell.lane)
}

/// What a lane left behind in the worst of its executions, if anything.
fn leftovers(cell: &Cell) -> Option<String> {
    let left = || cell.samples.iter().filter_map(|sample| sample.left);
    let most = |count: fn(common::protocol::Left) -> Option<i64>| {
        left().filter_map(count).max().filter(|count| *count > 0)
    };
    let counts = [
        (most(|left| left.threads), "threads"),
        (most(|left| left.children), "child processes"),
        (most(|left| left.descriptors), "descriptors"),
    ];
    let told: Vec<String> =
        counts.iter().filter_map(|(count, what)| Some(format!("{} {what}", (*count)?))).collect();
    let told = told.join(", ");
    (!told.is_empty()).then(|| format!("{}: left behind after it was closed: {told}", place(cell)))
}
