//! The numbers that a site is made from, and their limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest median latency: with the cap of 20 medians, no answer takes over 20 minutes.
const MAX_MEDIAN: Duration = Duration::from_mins(1);

/// The largest sigma: beyond it, almost every answer is either immediate or capped.
const MAX_SIGMA: f64 = 5.0;

/// The numbers that make a [`Site`](super::Site), not checked yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteSpec {
    /// What everything is derived from.
    pub seed: u64,
    /// How many pages the site has: at least 1.
    pub pages: u32,
    /// How many virtual hosts share them: at least 1, at most one per page.
    pub hosts: u32,
    /// Half of the answers take longer than this: at most one minute.
    pub median_latency: Duration,
    /// The spread of the logarithm of the latency: 0 (always the median) to 5.
    pub sigma: f64,
    /// How many pages of a thousand answer their first request with 503: 0 to 1,000.
    pub error_permille: u32,
}

impl SiteSpec {
    /// Checks every number against its limit.
    pub(super) fn check(&self) -> Result<(), SiteError> {
        if self.pages == 0 {
            return Err(SiteError::Pages);
        }
        if !(1..=self.pages).contains(&self.hosts) {
            return Err(SiteError::Hosts { hosts: self.hosts, pages: self.pages });
        }
        if self.median_latency > MAX_MEDIAN {
            return Err(SiteError::Median(self.median_latency));
        }
        // A NaN is in no range.
        if !(0.0..=MAX_SIGMA).contains(&self.sigma) {
            return Err(SiteError::Sigma(self.sigma));
        }
        if self.error_permille > 1_000 {
            return Err(SiteError::ErrorPermille(self.error_permille));
        }
        Ok(())
    }
}

/// Which number of a [`SiteSpec`] is outside its limits.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SiteError {
    /// No page at all.
    #[error("make a site: pages is 0, but there must be at least one")]
    Pages,
    /// No host, or one without a page.
    #[error("make a site: hosts is {hosts}, but must be from 1 to the number of pages ({pages})")]
    Hosts {
        /// How many were asked for.
        hosts: u32,
        /// How many pages there are to share out.
        pages: u32,
    },
    /// A median latency over one minute.
    #[error("make a site: the median latency is {0:?}, but must be at most {MAX_MEDIAN:?}")]
    Median(Duration),
    /// A spread that is negative, too large or not a number.
    #[error("make a site: sigma is {0}, but must be from 0 to {MAX_SIGMA}")]
    Sigma(f64),
    /// More than all pages.
    #[error("make a site: error_permille is {0}, but must be from 0 to 1000")]
    ErrorPermille(u32),
}
