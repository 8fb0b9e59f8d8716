//! Rounds: every lane once, in a fresh process each.

use std::time::{Duration, Instant};

use common::{Body, Job, Spin, Spread, lane::Plan};

use crate::{
    error::Result,
    host::HostError,
    rounds::{Disturbance, FEWEST_ROUNDS, Repeats, least_disturbed, once, shuffled},
    stats,
};

use super::{
    evict::evict,
    execute::{Execution, Measured, WarmUp},
    options::Options,
    prepare::{Prepared, Task, limit_of},
    question::{CONTROL, CONTROLLED},
    record::{Cell, FaultResult, HostFate, Phase, Problem, ProblemKind, Run, Sample},
};

/// Told after each execution.
pub(super) trait Watcher {
    /// This lane was executed in this workload; `run` holds what is known so far.
    fn executed(&mut self, run: &Run, workload: &str, lane: &str);
}

/// Executes the rounds of one workload.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    /// What the user asked for.
    options: &'a Options,
    /// The cells.
    prepared: &'a Prepared,
    /// How long this workload may take.
    allowance: Option<Duration>,
    /// Rounds that may still be repeated.
    repeats: Repeats,
    /// When the first round began.
    begin: Instant,
}

impl<'a> Rounds<'a> {
    /// None executed yet.
    pub(super) fn new(
        options: &'a Options,
        prepared: &'a Prepared,
        allowance: Option<Duration>,
    ) -> Self {
        let repeats = Repeats::new(options.purpose());
        Self { options, prepared, allowance, repeats, begin: Instant::now() }
    }

    /// Executes all rounds: judged ones and controls in turn, so that both see the same machine.
    ///
    /// # Errors
    /// When the user interrupts; what was measured until then is in `run`.
    pub(super) fn execute(&mut self, run: &mut Run, watcher: &mut dyn Watcher) -> Result<()> {
        let tasks: Vec<&Task> = self.prepared.tasks.iter().collect();
        let timed =
            tasks.iter().all(|task| !matches!(task.plan.job.body, Body::Fault(_) | Body::Dummy(_)));
        if !timed {
            return self.round(run, &tasks, (0, Phase::Judged), watcher).map(drop);
        }
        let judged: Vec<&Task> =
            tasks.iter().copied().filter(|task| task.lane != CONTROL).collect();
        let has_control = judged.len() < tasks.len();
        let is_pair = |task: &&Task| task.lane == CONTROL || task.lane == CONTROLLED;
        let pair: Vec<&Task> =
            tasks.iter().copied().filter(|task| has_control && is_pair(task)).collect();
        self.begin = Instant::now();
        for round in 0..self.options.rounds {
            if round >= FEWEST_ROUNDS && self.is_out_of_time(self.begin.elapsed(), round) {
                break;
            }
            self.undisturbed_round(run, &judged, (round, Phase::Judged), watcher)?;
            let pair: Vec<&Task> =
                pair.iter().copied().filter(|task| is_worth_it(&task.plan, round)).collect();
            self.undisturbed_round(run, &pair, (round, Phase::Control), watcher)?;
        }
        Ok(())
    }

    /// Whether one more round would go beyond the allowance.
    fn is_out_of_time(&self, spent: Duration, rounds: usize) -> bool {
        let each = spent / u32::try_from(rounds.max(1)).unwrap_or(u32::MAX);
        self.allowance.is_some_and(|allowance| spent + each > allowance)
    }

    /// Executes a round; again if others disturbed it. Of its repetitions, the least disturbed
    /// counts.
    fn undisturbed_round(
        &mut self,
        run: &mut Run,
        tasks: &[&Task],
        (round, phase): (usize, Phase),
        watcher: &mut dyn Watcher,
    ) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let mut foreign = Vec::new();
        loop {
            foreign.push(self.round(run, tasks, (round, phase), watcher)?);
            let last = *foreign.last().expect("it was just pushed");
            run.noise.rounds += 1;
            run.noise.noisy_rounds += usize::from(last.noisy);
            let late = self.is_out_of_time(self.begin.elapsed(), round + 1);
            if !self.repeats.again(last, late) {
                break;
            }
        }
        run.noise.foreign_cpu_rounds.extend(foreign.iter().filter_map(|noise| noise.share));
        run.noise.foreign_cpu = stats::median(&run.noise.foreign_cpu_rounds);
        let least = least_disturbed(&foreign);
        for task in tasks {
            let samples = run.cells[task.cell].samples.iter_mut();
            let here = samples.filter(|sample| sample.round == round && sample.phase == phase);
            for (repetition, sample) in here.enumerate() {
                sample.quarantined = Some(repetition) != least;
            }
        }
        Ok(())
    }

    /// Executes each task once, in random order; how much others disturbed it.
    ///
    /// What is judged against each other runs back to back, as a block: the speed of a shared
    /// machine's cores changes within seconds (by 1.8x has been seen), without a trace in any counter.
    fn round(
        &self,
        run: &mut Run,
        tasks: &[&Task],
        (round, phase): (usize, Phase),
        watcher: &mut dyn Watcher,
    ) -> Result<Disturbance> {
        let seed = self.options.seed ^ run.noise.rounds as u64;
        let order = stats::in_blocks(shuffled(tasks, seed), |task| block_of(&run.cells[task.cell]));
        once(order, |task| {
            if run.cells[task.cell].verify.ok != Some(false) {
                self.execute_task(&mut run.cells[task.cell], task, (round, phase))?;
            }
            watcher.executed(run, &self.prepared.workload, &task.lane);
            Ok(())
        })
    }

    /// Executes a task once and notes in its cell what came of it.
    fn execute_task(&self, cell: &mut Cell, task: &Task, place: (usize, Phase)) -> Result<()> {
        let execution = Execution {
            host: &task.host,
            lane: &task.lane,
            workers: self.options.workers,
            plan: &task.plan,
            limit: limit_of(&task.plan, self.options),
        };
        let noted = if let Body::Fault(fault) = &task.plan.job.body {
            note_fault(cell, task, execution.provoke(&healthy(fault, task)), fault.culprit)
        } else {
            let warm_up = warm_up(&task.plan, place);
            note(cell, task, execution.measure(warm_up, || evict(&task.evict)), place)
        };
        noted.map_err(|_| crate::error::Error::interrupted())
    }
}

/// Waits from which on a run is expensive: thousands of threads take seconds.
const MANY_WAITS: u64 = 1_000;

/// Rounds after which an expensive run tells nothing new about memory and noise.
const ENOUGH: usize = 3;

/// Whether an execution begins with a run to warm up: an expensive one only until its memory is
/// known, and not for a control.
fn warm_up(plan: &Plan, (round, phase): (usize, Phase)) -> WarmUp {
    let is_known = round >= ENOUGH || phase == Phase::Control;
    if plan.overlap > MANY_WAITS && is_known { WarmUp::No } else { WarmUp::Yes }
}

/// Whether to run a control in this round: an expensive one only until the noise is known.
fn is_worth_it(plan: &Plan, round: usize) -> bool {
    plan.overlap <= MANY_WAITS || round < ENOUGH
}

/// What a cell's executions are kept together with: those of its point and language, for these are
/// judged against each other.
fn block_of(cell: &Cell) -> (String, String) {
    (cell.point.clone(), cell.language.clone())
}

/// The user interrupted: what was being executed counts for nothing.
struct Interrupted;

/// Notes an execution that was timed.
fn note(
    cell: &mut Cell,
    task: &Task,
    measured: std::result::Result<Measured, HostError>,
    (round, phase): (usize, Phase),
) -> std::result::Result<(), Interrupted> {
    let measured = match measured {
        Ok(measured) => measured,
        Err(HostError::Interrupted) => return Err(Interrupted),
        Err(error) => {
            cell.fail(problem_of(&error));
            return Ok(());
        }
    };
    if let Some(failed) = measured.outcome.failed.first() {
        let why = format!("task {} failed: {}", failed.task, failed.why);
        cell.fail(Problem { kind: ProblemKind::Failed, why });
        return Ok(());
    }
    if measured.outcome.digest != task.expected {
        let why = format!("the digest is {}, right is {}", measured.outcome.digest, task.expected);
        cell.fail(Problem { kind: ProblemKind::WrongDigest, why });
        return Ok(());
    }
    cell.verify.ok = Some(true);
    cell.samples.push(Sample {
        round,
        phase,
        quarantined: false,
        wall_ns: measured.wall_ns,
        open_ns: ns(measured.open),
        cpu_ns: measured.cpu.map(ns),
        peak_pss_bytes: measured.peak_pss,
        base_pss_bytes: measured.base_pss,
        context_switches: measured.context_switches,
        units: measured.outcome.units,
        left: measured.left,
    });
    Ok(())
}

/// Notes what became of a fault.
fn note_fault(
    cell: &mut Cell,
    task: &Task,
    provoked: std::result::Result<(common::Outcome, bool), HostError>,
    culprit: u64,
) -> std::result::Result<(), Interrupted> {
    let healthy = task.expected.count;
    let lost = |host, how| FaultResult {
        survivors: 0,
        healthy,
        culprit_named: false,
        failed: Vec::new(),
        host,
        how: Some(how),
        recovered: false,
    };
    let fault = match provoked {
        Ok((outcome, recovered)) => {
            if outcome.digest.count == healthy && outcome.digest != task.expected {
                let why = format!("the digest is {}, right is {}", outcome.digest, task.expected);
                cell.fail(Problem { kind: ProblemKind::WrongDigest, why });
                return Ok(());
            }
            FaultResult {
                survivors: outcome.digest.count,
                healthy,
                culprit_named: outcome.failed.iter().map(|failed| failed.task).eq([culprit]),
                failed: outcome.failed,
                host: HostFate::Alive,
                how: None,
                recovered,
            }
        }
        Err(HostError::Interrupted) => return Err(Interrupted),
        Err(error @ HostError::Ended { .. }) => lost(HostFate::Died, error.to_string()),
        Err(error @ HostError::Timeout(_)) => lost(HostFate::Hung, error.to_string()),
        Err(HostError::Refused(why)) => lost(HostFate::Alive, why),
        Err(error) => {
            cell.fail(problem_of(&error));
            return Ok(());
        }
    };
    cell.verify.ok = Some(true);
    cell.fault = Some(fault);
    Ok(())
}

/// The plan of a fault without its culprit: does the lane still work?
fn healthy(fault: &common::Fault, task: &Task) -> Plan {
    let spin = Spin { iterations: fault.iterations, tasks: 0, spread: Spread::Uniform };
    Plan {
        job: Job { seed: task.plan.job.seed, body: Body::Spin(spin) },
        task_timeout_ms: None,
        ..task.plan.clone()
    }
}

/// What a host that did not answer as it should means for its cell.
fn problem_of(error: &HostError) -> Problem {
    let kind = match error {
        HostError::Ended { .. } => ProblemKind::Crashed,
        HostError::Timeout(_) => ProblemKind::Timeout,
        HostError::Rubbish(_) | HostError::OutOfTurn(_) => ProblemKind::Rubbish,
        HostError::NotStarted(_) | HostError::Refused(_) | HostError::Interrupted => {
            ProblemKind::Failed
        }
    };
    Problem { kind, why: error.to_string() }
}

impl Cell {
    /// From now on the cell counts as wrong; what it has measured is not shown.
    fn fail(&mut self, problem: Problem) {
        self.verify.ok = Some(false);
        self.verify.problem = Some(problem);
    }
}

/// A duration in nanoseconds.
fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
