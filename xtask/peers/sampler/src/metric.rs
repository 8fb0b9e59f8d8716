//! What can be measured, and what is expected of it.

use std::{collections::BTreeMap, fmt, iter};

use serde::Serialize;

use crate::sample::Sample;

/// Something that costs time, measured for ours and for its peers.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// Its name: lower case, parts separated by dots.
    pub name: String,
    /// What is measured, from where to where, as a sentence.
    pub about: String,
    /// What is counted, in the singular: a job, an item.
    pub unit: &'static str,
    /// What is judged.
    pub cost: Cost,
    /// How many units a sample takes.
    pub amount: Amount,
    /// Whether it is left out unless it is named: it tells nothing about how fast ours is, but shows
    /// how failures are reported, or is there to have its instructions counted.
    pub named_only: bool,
    /// The contender that is ours.
    pub ours: Contender,
    /// What it is measured against.
    pub peers: Vec<Peer>,
    /// What does the same work without the thing that is measured, if only the costs above that are
    /// to be compared: ours less the baseline, by the peer's less the baseline.
    pub baseline: Option<Contender>,
}

/// What of a sample is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Wall-clock time.
    Wall,
    /// Processor time of the whole process.
    Cpu,
    /// Memory, see [`Sample::bytes`].
    Bytes,
}

/// How many units a sample takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Amount {
    /// As many as take the time of a sample; to be found out, beginning with `first`.
    Calibrated {
        /// So few that every contender does them in a few milliseconds; a multiple of `step`.
        first: u64,
        /// Of how many the number of units is a multiple: they come in pieces that cannot be divided.
        step: u64,
    },
    /// As many as take some milliseconds, to be found out as well; and in each round so many slices of
    /// that size, by turns with ours, each peer and the baseline, in one process for each peer. For what
    /// differs by less than samples in processes of their own do. A contender is run again and again in
    /// its process then: it has to end everything that it begins, threads of others included.
    Sliced {
        /// As above.
        first: u64,
        /// As above.
        step: u64,
        /// How many slices of each contender a round has, beside each peer.
        slices: u64,
    },
    /// Always the same, because units are a matter of time themselves.
    Fixed {
        /// In a measurement.
        units: u64,
        /// Where only the results are checked.
        smoke: u64,
    },
}

/// What does the work of a metric.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Contender {
    /// Its name, the same in all metrics.
    pub name: &'static str,
    /// Does so many units and says how that went.
    #[serde(skip)]
    run: Box<dyn Fn(u64) -> Sample>,
}

/// A contender that ours is measured against.
#[derive(Debug, Serialize)]
pub struct Peer {
    /// The contender.
    #[serde(rename = "name")]
    pub contender: Contender,
    /// What ours must achieve against it, if anything.
    pub required: Option<Goal>,
    /// What would be better still.
    pub stretch: Option<Goal>,
}

/// What ours is to achieve against a peer, in terms of the ratio of the costs, ours by the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "limit")]
pub enum Goal {
    /// The upper 95 % bound of the ratio is below this: ours is ahead for sure.
    BoundBelow(f64),
    /// The ratio, as estimated, is at most this.
    RatioAtMost(f64),
    /// The upper 95 % bound of our own cost is at most so many nanoseconds for each unit, whatever
    /// the peer needs.
    CostAtMost(f64),
    /// The upper 95 % bound of our own cost is at most so many bytes for each unit, whatever the
    /// peer needs.
    BytesAtMost(f64),
}

/// Whose instructions are worth counting: where they are nearly the same in every run, their number
/// shows what noise hides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Counted {
    /// The metric; our contender is counted.
    pub metric: &'static str,
    /// So many units that everything else is next to nothing.
    pub units: u64,
    /// The instructions of a unit when they were last recorded, on x86-64.
    pub recorded: f64,
    /// Whether it is left out unless it is named.
    pub named_only: bool,
}

impl Counted {
    /// A metric with this many instructions for each unit.
    pub const fn new(metric: &'static str, units: u64, recorded: f64) -> Self {
        Self { metric, units, recorded, named_only: false }
    }
}

/// What a bench program can measure.
#[derive(Debug, Serialize)]
pub struct Listing<'a> {
    /// The version of what programs and `cargo xtask bench` say to each other.
    pub version: u32,
    /// The model that is measured.
    pub model: &'a str,
    /// Workers of each pool.
    pub workers: usize,
    /// The metrics, in the order in which they are shown.
    pub metrics: &'a [Metric],
    /// Whose instructions are counted.
    pub counted: &'a [Counted],
    /// Peers that are not installed here, a sentence for each.
    pub absent: &'a [String],
}

/// What a program has to offer.
#[derive(Debug, Default)]
pub struct Offer {
    /// The metrics, in the order in which they are shown.
    pub metrics: Vec<Metric>,
    /// Peers that are not installed here, a sentence for each; no metric has them.
    pub absent: Vec<String>,
    /// What follows from our costs, if anything does; see [`Costs`].
    pub conclusion: Option<Conclusion>,
}

/// Our median cost of a unit in each metric that was measured, in nanoseconds or bytes.
pub type Costs = BTreeMap<String, f64>;

/// What follows from our costs, as Markdown; `None`: they are too few.
pub type Conclusion = fn(&Costs) -> Option<String>;

impl From<Vec<Metric>> for Offer {
    fn from(metrics: Vec<Metric>) -> Self {
        Self { metrics, absent: Vec::new(), conclusion: None }
    }
}

impl Metric {
    /// The contender with this name.
    pub fn contender(&self, name: &str) -> Option<&Contender> {
        let peers = self.peers.iter().map(|peer| &peer.contender);
        let mut all = iter::once(&self.ours).chain(peers).chain(&self.baseline);
        all.find(|contender| contender.name == name)
    }
}

impl Amount {
    /// Calibrated, where any number of units will do.
    pub fn calibrated(first: u64) -> Self {
        Self::Calibrated { first, step: 1 }
    }
}

impl Contender {
    /// A contender with the work that it does.
    pub fn new(name: &'static str, run: impl Fn(u64) -> Sample + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }

    /// Does so many units.
    pub fn run(&self, units: u64) -> Sample {
        (self.run)(units)
    }

    /// This contender as a peer that no goal speaks of.
    pub fn peer(self) -> Peer {
        Peer { contender: self, required: None, stretch: None }
    }
}

impl Peer {
    /// With what ours must achieve against it.
    #[must_use]
    pub fn required(self, goal: Goal) -> Self {
        Self { required: Some(goal), ..self }
    }

    /// With what would be better still.
    #[must_use]
    pub fn stretch(self, goal: Goal) -> Self {
        Self { stretch: Some(goal), ..self }
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}
