//! A web site that exists only as a function of a seed and a page number.
//!
//! The server of the crawl and the reference answer both ask it; nothing is stored. Page 0 links,
//! directly or not, to every other page; hosts share the pages out evenly; some pages fail at
//! first, and every answer takes its own time.
//!
//! Content (links, bodies, statuses) uses integers only, so it is the same on every platform. Only
//! [`Site::latency`] goes through floating point, where the last digit may differ between maths
//! libraries.

mod page;
mod spec;
mod stats;

#[cfg(test)]
mod tests;

use std::{f64::consts::TAU, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{
    spec::{SiteError, SiteSpec},
    stats::SiteStats,
};
use crate::rng::{SplitMix64, mix};

/// The request header that says how often this page was asked for before (0 without it).
pub const ATTEMPT_HEADER: &str = "x-attempt";

/// From this attempt on, every page answers 200: a crawler that tries four times gets them all.
pub const ALWAYS_SERVED_FROM: u32 = 3;

/// How many times the median an answer can take at most: cuts the long tail of the distribution.
pub const LATENCY_CAP: u32 = 20;

/// How many tree links a page has at most.
const TREE_LINKS: u64 = 4;

/// How many pseudo-random links a page has at most, on top of the tree links.
const EXTRA_LINKS: u64 = 4;

/// Of this many pages that failed once, one fails again.
const FAILS_AGAIN_ONE_IN: u64 = 5;

/// What a page answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageStatus {
    /// 200: the page.
    Ok,
    /// 503: try again.
    Unavailable,
}

/// A valid [`SiteSpec`], and the pages that follow from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SiteSpec", into = "SiteSpec")]
pub struct Site {
    /// The numbers, all within their limits.
    spec: SiteSpec,
}

/// What a sequence of pseudo-random numbers is drawn for: purposes never share one, so that a
/// change in how a body is written leaves links and statuses as they were.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// The pseudo-random links of a page.
    Links = 1,
    /// The length and the filler of a page.
    Body = 2,
    /// Which attempts a page answers with 503.
    Status = 3,
    /// How long an answer takes.
    Latency = 4,
}

impl Site {
    /// The site that `spec` describes.
    ///
    /// # Errors
    ///
    /// If a number of the specification is outside its limits; the error names it.
    pub fn new(spec: SiteSpec) -> Result<Self, SiteError> {
        spec.check()?;
        Ok(Self { spec })
    }

    /// What the site was made from.
    pub fn spec(&self) -> &SiteSpec {
        &self.spec
    }

    /// How many pages there are; they are numbered from 0.
    pub fn pages(&self) -> u32 {
        self.spec.pages
    }

    /// How many virtual hosts there are; they are numbered from 0.
    pub fn hosts(&self) -> u32 {
        self.spec.hosts
    }

    /// Whether `page` exists.
    pub fn contains(&self, page: u32) -> bool {
        page < self.spec.pages
    }

    /// The virtual host that serves `page`.
    pub fn host_of(&self, page: u32) -> u32 {
        page % self.spec.hosts
    }

    /// The name of a virtual host, as a `Host` header has it: `h3.test`.
    ///
    /// `.test` is reserved for this use and never resolves (RFC 6761, section 6.2).
    pub fn host_name(host: u32) -> String {
        format!("h{host}.test")
    }

    /// The path of `page`: `/p/17`.
    pub fn path(page: u32) -> String {
        format!("/p/{page}")
    }

    /// The page whose path is `path`, existing or not; none if no page can have this path.
    ///
    /// Each page has exactly one path: `/p/017` and `/p/+17` are none.
    pub fn page_of(path: &str) -> Option<u32> {
        let digits = path.strip_prefix("/p/")?;
        let canonical = digits == "0" || !digits.starts_with(['0', '+']);
        digits.parse().ok().filter(|_| canonical)
    }

    /// The links of `page` in document order: the pages below it in a tree with four branches, then
    /// up to four anywhere. Like on a real page, one can be there twice or lead to the page itself.
    pub fn links(&self, page: u32) -> Vec<u32> {
        let first = u64::from(page) * TREE_LINKS + 1;
        let mut rng = self.draws(Purpose::Links, page, 0);
        let extras = rng.below(EXTRA_LINKS + 1);
        let extra = (0..extras).map(|_| rng.below(u64::from(self.spec.pages)));
        // The lowest branches of the tree have no page to lead to.
        (first..first + TREE_LINKS)
            .chain(extra)
            .filter_map(|link| u32::try_from(link).ok())
            .filter(|&link| self.contains(link))
            .collect()
    }

    /// The HTML of `page`: 1 to 8 KiB of text with each of [`links`](Self::links) as
    /// `href="/p/17"`, in their order.
    pub fn body(&self, page: u32) -> Vec<u8> {
        page::render(page, &self.links(page), self.draws(Purpose::Body, page, 0))
    }

    /// What `page` answers to its `attempt`-th request, counted from 0.
    ///
    /// `error_permille` of the pages fail at first, a fifth of those again at attempt 1, a fifth of
    /// these at attempt 2, and none from [`ALWAYS_SERVED_FROM`] on.
    pub fn status(&self, page: u32, attempt: u32) -> PageStatus {
        if attempt >= ALWAYS_SERVED_FROM {
            return PageStatus::Ok;
        }
        let mut rng = self.draws(Purpose::Status, page, 0);
        let fails_first = rng.below(1_000) < u64::from(self.spec.error_permille);
        let fails_now = fails_first && (0..attempt).all(|_| rng.below(FAILS_AGAIN_ONE_IN) == 0);
        if fails_now { PageStatus::Unavailable } else { PageStatus::Ok }
    }

    /// How long the server waits before it answers the `attempt`-th request for `page`: lognormal
    /// with the given median and sigma, at most [`LATENCY_CAP`] times the median.
    ///
    /// The normal deviate is made as in Box and Muller, *A Note on the Generation of Random Normal
    /// Deviates*, 1958.
    pub fn latency(&self, page: u32, attempt: u32) -> Duration {
        let mut rng = self.draws(Purpose::Latency, page, attempt);
        // `unit` can be 0 but not 1: the logarithm needs it the other way round.
        let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
        let normal = radius * (TAU * rng.unit()).cos();
        let factor = (self.spec.sigma * normal).exp().min(f64::from(LATENCY_CAP));
        self.spec.median_latency.mul_f64(factor)
    }

    /// The numbers drawn for one purpose, page and attempt.
    fn draws(&self, purpose: Purpose, page: u32, attempt: u32) -> SplitMix64 {
        let index = (u64::from(attempt) << 32) | u64::from(page);
        SplitMix64::derive(self.spec.seed ^ mix(purpose as u64), index)
    }
}

impl TryFrom<SiteSpec> for Site {
    type Error = SiteError;

    fn try_from(spec: SiteSpec) -> Result<Self, SiteError> {
        Self::new(spec)
    }
}

impl From<Site> for SiteSpec {
    fn from(site: Site) -> Self {
        site.spec
    }
}
