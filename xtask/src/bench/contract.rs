//! What a bench program says: the other side of the package `sampler` in `xtask/peers`, which
//! documents it.

use serde::{Deserialize, Serialize};

use super::goal::Goal;

/// The version of the contract.
pub const VERSION: u32 = 4;

/// What a program can measure.
#[derive(Clone, Debug, Deserialize)]
pub struct Listing {
    /// The version of the contract that it keeps to.
    pub version: u32,
    /// The model that it measures.
    pub model: String,
    /// Workers of each pool.
    pub workers: usize,
    /// The metrics, in the order in which they are shown.
    pub metrics: Vec<Metric>,
    /// Whose instructions are counted.
    pub counted: Vec<Counted>,
    /// Peers that are not installed here, a sentence for each.
    #[serde(default)]
    pub absent: Vec<String>,
}

/// A metric whose instructions are counted.
#[derive(Clone, Debug, Deserialize)]
pub struct Counted {
    /// The metric; our contender is counted.
    pub metric: String,
    /// So many units that everything else is next to nothing.
    pub units: u64,
    /// The instructions of a unit when they were last recorded.
    pub recorded: f64,
    /// Whether it is left out unless it is named.
    pub named_only: bool,
}

/// Something that costs time, measured for ours and for its peers.
#[derive(Clone, Debug, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What is measured, as a sentence.
    pub about: String,
    /// What is counted, in the singular.
    pub unit: String,
    /// What is judged.
    pub cost: Cost,
    /// How many units a sample takes.
    pub amount: Amount,
    /// Whether it is left out unless it is named.
    pub named_only: bool,
    /// The contender that is ours.
    pub ours: String,
    /// What it is measured against.
    pub peers: Vec<Peer>,
    /// What does the same work without the thing that is measured, if only the costs above that are
    /// compared.
    pub baseline: Option<String>,
}

/// What of a sample is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// Wall-clock time.
    Wall,
    /// Processor time of the whole process.
    Cpu,
    /// Memory.
    Bytes,
}

/// How many units a sample takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Amount {
    /// As many as take the time of a sample.
    Calibrated {
        /// With how many to begin; a multiple of `step`.
        first: u64,
        /// Of how many it has to be a multiple.
        step: u64,
    },
    /// As many as take the time of a slice.
    Sliced {
        /// As above.
        first: u64,
        /// As above.
        step: u64,
        /// How many slices of each contender a round has, beside each peer.
        slices: u64,
    },
    /// Always the same.
    Fixed {
        /// In a measurement.
        units: u64,
        /// Where only the results are checked.
        smoke: u64,
    },
}

/// A contender that ours is measured against.
#[derive(Clone, Debug, Deserialize)]
pub struct Peer {
    /// The contender.
    pub name: String,
    /// What ours must achieve against it, if anything.
    pub required: Option<Goal>,
    /// What would be better still.
    pub stretch: Option<Goal>,
}

/// One sample.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    /// The units that were asked for.
    pub units: u64,
    /// Wall-clock time in nanoseconds.
    pub wall_ns: u64,
    /// Processor time in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes of memory that the units take, where that is what is measured.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The operations that were counted.
    pub checked: u64,
    /// What else is wrong.
    pub problem: Option<String>,
}

impl Metric {
    /// The names of all contenders, ours first, and the baseline last.
    pub fn contenders(&self) -> impl Iterator<Item = &str> {
        let peers = self.peers.iter().map(|peer| &*peer.name);
        std::iter::once(&*self.ours).chain(peers).chain(self.baseline.as_deref())
    }

    /// How many processes a round of it takes.
    pub fn steps(&self) -> usize {
        match self.amount.slices(false) {
            Some(_) => self.peers.len(),
            None => self.contenders().count(),
        }
    }
}

impl Amount {
    /// How many slices a round has, where contenders take them by turns; only one, with too little work for
    /// times, where only the results are checked (`smoke`).
    pub fn slices(self, smoke: bool) -> Option<u64> {
        match self {
            Self::Sliced { slices, .. } => Some(if smoke { 1 } else { slices.max(1) }),
            Self::Calibrated { .. } | Self::Fixed { .. } => None,
        }
    }
}

impl Sample {
    /// Whether so many units were done, and rightly; if not, what is wrong.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn verify(&self, units: u64) -> Result<(), String> {
        if (self.units, self.checked) != (units, units) {
            return Err(format!(
                "{} operations were counted, right is {units} (it was told {})",
                self.checked, self.units
            ));
        }
        self.problem.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample that counted so many operations.
    fn sample(units: u64, checked: u64, problem: Option<&str>) -> Sample {
        Sample {
            units,
            wall_ns: 1,
            cpu_ns: 1,
            bytes: None,
            checked,
            problem: problem.map(Into::into),
        }
    }

    #[test]
    fn only_the_right_count_is_right() {
        assert_eq!(sample(5, 5, None).verify(5), Ok(()));
        for (wrong, words) in [
            (sample(5, 4, None), "4 operations were counted, right is 5"),
            (sample(5, 6, None), "6 operations were counted, right is 5"),
            (sample(4, 5, None), "it was told 4"),
            (sample(5, 5, Some("the sum is off")), "the sum is off"),
        ] {
            let why = wrong.verify(5).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
