//! How many requests may be in flight at once, and what became of all requests.

use std::num::NonZeroU32;

use common::site::SiteStats;

/// Counts requests, and refuses those of a virtual host that has too many in flight.
#[derive(Debug)]
pub(crate) struct Politeness {
    /// How many requests of one virtual host may be in flight.
    per_host: NonZeroU32,
    /// How many requests of each virtual host are in flight.
    in_flight: Vec<u32>,
    /// Their sum.
    total: u64,
    /// What was counted since the last reset.
    stats: SiteStats,
}

/// The virtual host of the request has too many in flight.
#[derive(Debug)]
pub(crate) struct Impolite;

/// How a request that was in flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status 200, written completely.
    Served,
    /// Status 503, written completely.
    Failed,
    /// The connection ended first.
    Abandoned,
}

impl Politeness {
    /// Allows each of `hosts` virtual hosts `per_host` requests in flight.
    pub(crate) fn new(hosts: u32, per_host: NonZeroU32) -> Self {
        let hosts = usize::try_from(hosts).expect("a u32 fits a usize on every supported platform");
        Self { per_host, in_flight: vec![0; hosts], total: 0, stats: SiteStats::default() }
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> SiteStats {
        self.stats
    }

    /// Starts counting anew. What is in flight stays so, and is the first peak.
    pub(crate) fn reset(&mut self) {
        let highest = self.in_flight.iter().copied().max().unwrap_or(0);
        self.stats = SiteStats {
            peak_in_flight: self.total,
            peak_per_host: u64::from(highest),
            ..SiteStats::default()
        };
    }

    /// Counts a request.
    pub(crate) fn count(&mut self) {
        self.stats.requests += 1;
    }

    /// Puts a request of `host` in flight. To be followed by one [`leave`](Self::leave).
    pub(crate) fn enter(&mut self, host: u32) -> Result<(), Impolite> {
        let in_flight = &mut self.in_flight[index(host)];
        if *in_flight >= self.per_host.get() {
            self.stats.refused_429 += 1;
            return Err(Impolite);
        }
        *in_flight += 1;
        self.total += 1;
        self.stats.peak_per_host = self.stats.peak_per_host.max(u64::from(*in_flight));
        self.stats.peak_in_flight = self.stats.peak_in_flight.max(self.total);
        Ok(())
    }

    /// Takes a request of `host` out of flight.
    pub(crate) fn leave(&mut self, host: u32, outcome: Outcome) {
        self.in_flight[index(host)] -= 1;
        self.total -= 1;
        match outcome {
            Outcome::Served => self.stats.served += 1,
            Outcome::Failed => self.stats.errors_503 += 1,
            Outcome::Abandoned => {}
        }
    }
}

/// The place of `host` in a vector.
fn index(host: u32) -> usize {
    usize::try_from(host).expect("a u32 fits a usize on every supported platform")
}
