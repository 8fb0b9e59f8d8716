//! In which order samples are taken.
//!
//! In each round the metrics come in random order, and the contenders of each in random order right
//! after each other: the ratio is taken between samples that are close in time. Where contenders take
//! slices by turns, each peer has a process of its own, together with ours and the baseline: what one
//! of the peers does to its process, such as to start a thread, is nothing that another one meets.

use std::time::{Duration, Instant};

use crate::{
    error::{Error, Result},
    rounds::{FEWEST_ROUNDS, Repeats, least_disturbed, once, shuffled},
    stats::median,
};

use super::{
    calibrate,
    contract::{Metric, Sample},
    options::Options,
    program::{NoSample, Program},
    record::{Contender, Run, Series, Slice, Timed},
};

/// Told what is going on.
pub(super) trait Watcher {
    /// This contender has been sampled in this metric.
    fn sampled(&mut self, metric: &str, contender: &str);

    /// A round is over.
    fn round_over(&mut self, run: &Run);
}

/// Takes all samples.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    /// What takes them.
    program: &'a Program,
    /// What the user asked for.
    options: &'a Options,
    /// The metrics, in the order of `run.metrics`.
    metrics: &'a [Metric],
    /// How often each metric may still be repeated.
    repeats: Vec<Repeats>,
    /// Until when rounds may begin or be repeated.
    deadline: Option<Instant>,
}

impl<'a> Rounds<'a> {
    /// None taken yet.
    pub(super) fn new(program: &'a Program, options: &'a Options, metrics: &'a [Metric]) -> Self {
        let repeats = metrics.iter().map(|_| Repeats::new(options.purpose())).collect();
        let deadline = options.budget.map(|budget| Instant::now() + budget);
        Self { program, options, metrics, repeats, deadline }
    }

    /// Finds out how many units a sample of each metric takes.
    ///
    /// # Errors
    /// When the user interrupts.
    pub(super) fn calibrate(&self, run: &mut Run) -> Result<()> {
        for (metric, series) in std::iter::zip(self.metrics, &mut run.metrics) {
            let contenders = &mut series.contenders;
            series.units = calibrate::units(self.program, metric, contenders, self.options)
                .map_err(|calibrate::Interrupted| Error::interrupted())?;
        }
        Ok(())
    }

    /// Takes the samples of all rounds.
    ///
    /// # Errors
    /// When the user interrupts; what was measured until then is in `run`.
    pub(super) fn execute(&mut self, run: &mut Run, watcher: &mut dyn Watcher) -> Result<()> {
        let begin = Instant::now();
        for round in 0..self.options.rounds {
            let each = begin.elapsed() / u32::try_from(round.max(1)).unwrap_or(u32::MAX);
            if round >= FEWEST_ROUNDS && self.is_late(each) {
                break;
            }
            let metrics: Vec<usize> = (0..self.metrics.len()).collect();
            for metric in shuffled(&metrics, self.options.seed ^ round as u64) {
                self.undisturbed(run, metric, round, watcher)?;
            }
            watcher.round_over(run);
        }
        Ok(())
    }

    /// Whether there is no time for something that takes so long.
    fn is_late(&self, takes: Duration) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() + takes > deadline)
    }

    /// Takes a sample of each contender of a metric; again if others disturbed that. Of the
    /// repetitions, the least disturbed counts.
    fn undisturbed(
        &mut self,
        run: &mut Run,
        metric: usize,
        round: usize,
        watcher: &mut dyn Watcher,
    ) -> Result<()> {
        let begin = Instant::now();
        let mut disturbances = Vec::new();
        loop {
            let at = Execution { round, repetition: disturbances.len() };
            let last = self.once(run, metric, at, watcher)?;
            disturbances.push(last);
            run.noise.rounds += 1;
            run.noise.noisy_rounds += usize::from(last.noisy);
            let late = self.is_late(begin.elapsed());
            if !self.repeats[metric].again(last, late) {
                break;
            }
        }
        run.noise.foreign_cpu_rounds.extend(disturbances.iter().filter_map(|noise| noise.share));
        run.noise.foreign_cpu = median(&run.noise.foreign_cpu_rounds);
        let least = least_disturbed(&disturbances);
        for contender in &mut run.metrics[metric].contenders {
            for sample in contender.samples.iter_mut().filter(|sample| sample.round == round) {
                sample.quarantined = Some(sample.repetition) != least;
            }
        }
        Ok(())
    }

    /// Takes a sample of each contender of a metric, in random order; or slices of each peer, ours and the
    /// baseline.
    fn once(
        &self,
        run: &mut Run,
        metric: usize,
        at: Execution,
        watcher: &mut dyn Watcher,
    ) -> Result<crate::rounds::Disturbance> {
        let seed = self.options.seed ^ run.noise.rounds as u64;
        let series = &mut run.metrics[metric];
        let slices = self.metrics[metric].amount.slices(self.options.smoke);
        let peers = self.metrics[metric].peers.len();
        let indices: Vec<usize> = match slices {
            Some(_) => (1..=peers).collect(),
            None => (0..series.contenders.len()).collect(),
        };
        once(shuffled(&indices, seed), |index| {
            match slices {
                Some(slices) => {
                    let baseline = peers + 1..series.contenders.len();
                    let places: Vec<usize> = [0, index].into_iter().chain(baseline).collect();
                    self.slices(series, &places, slices, at)?;
                }
                None => self.sample(series, index, at)?,
            }
            watcher.sampled(&series.name, &series.contenders[index].name);
            Ok(())
        })
    }

    /// Takes a sample of the contender with this place.
    fn sample(&self, series: &mut Series, place: usize, at: Execution) -> Result<()> {
        let contender = &mut series.contenders[place];
        if let (Some(units), None) = (series.units, &contender.problem) {
            let name = &contender.name;
            match self.program.sample(&series.name, name, units, self.options.limit) {
                Ok(sample) => contender.samples.push(at.timed(&sample, None)),
                Err(NoSample::Interrupted) => return Err(Error::interrupted()),
                Err(NoSample::Problem(problem)) => contender.problem = Some(problem),
            }
        }
        Ok(())
    }

    /// Takes slices of the contenders with these places: ours, a peer, and the baseline, if there is one.
    /// What goes wrong is said of the peer: beside another one, ours may be right.
    fn slices(
        &self,
        series: &mut Series,
        places: &[usize],
        slices: u64,
        at: Execution,
    ) -> Result<()> {
        let peer = places[1];
        let taking_part: Vec<&Contender> =
            places.iter().map(|&place| &series.contenders[place]).collect();
        let Some(units) = series.units else { return Ok(()) };
        if taking_part.iter().any(|contender| contender.problem.is_some()) {
            return Ok(());
        }
        let names: Vec<&str> = taking_part.iter().map(|contender| &*contender.name).collect();
        let asked = (units, slices);
        match self.program.slices(&series.name, &names, asked, self.options.limit) {
            Ok(taken) => {
                for (&place, samples) in std::iter::zip(places, &taken) {
                    let timed = samples.iter().enumerate().map(|(slice, sample)| {
                        at.timed(sample, Some(Slice { beside: peer, slice }))
                    });
                    series.contenders[place].samples.extend(timed);
                }
            }
            Err(NoSample::Interrupted) => return Err(Error::interrupted()),
            Err(NoSample::Problem(problem)) => series.contenders[peer].problem = Some(problem),
        }
        Ok(())
    }
}

/// A round of a metric is executed.
#[derive(Clone, Copy, Debug)]
struct Execution {
    /// The round.
    round: usize,
    /// How often it was executed before.
    repetition: usize,
}

impl Execution {
    /// A sample that was taken in it.
    fn timed(self, sample: &Sample, slice: Option<Slice>) -> Timed {
        Timed {
            round: self.round,
            repetition: self.repetition,
            quarantined: false,
            slice,
            wall_ns: sample.wall_ns,
            cpu_ns: sample.cpu_ns,
            bytes: sample.bytes,
        }
    }
}
