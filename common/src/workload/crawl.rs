//! `real.crawl`: every page of a slow web site, politely.

use std::time::Duration;

use crate::{
    Body, Crawl, Job,
    lane::{Plan, Shape},
    site::{Site, SiteSpec},
};

use super::{PlanError, Point, SEED, Setting, Tier, Workload};

/// The workload.
pub(super) static CRAWL: Crawler = Crawler;

/// See the [module](self).
pub(super) struct Crawler;

/// Most pages of one virtual host asked for at the same time; the stub refuses more.
const PER_HOST: u32 = 8;

/// Spread of the latency: the standard deviation of its logarithm.
const SIGMA: f64 = 0.5;

/// Pages out of a thousand that are refused when first asked for.
const REFUSED_PERMILLE: u32 = 20;

/// Virtual hosts.
const HOSTS: u32 = 4;

impl Workload for Crawler {
    fn id(&self) -> &'static str {
        "real.crawl"
    }

    fn question(&self) -> &'static str {
        "which model overlaps waits on the network best?"
    }

    fn about(&self) -> &'static str {
        "A web site on the loopback interface with lognormal latency, where one request in \
         fifty is refused once; pages are found through links, and never more than eight of one \
         host are asked for at a time (the server checks). This is like a crawler, or a service \
         that calls other services."
    }

    fn points(&self, setting: &Setting) -> Result<Vec<Point>, PlanError> {
        let (pages, median_ms) = match setting.tier {
            Tier::Smoke => (40, 1),
            Tier::Quick => (400, 8),
            Tier::Full => (2_000, 20),
        };
        let median_latency = Duration::from_millis(median_ms);
        let spec = SiteSpec {
            seed: SEED,
            pages,
            hosts: HOSTS,
            median_latency,
            sigma: SIGMA,
            error_permille: REFUSED_PERMILLE,
        };
        let site = Site::new(spec).map_err(|error| PlanError::Input(error.to_string()))?;
        // The harness puts in where the stub really listens.
        let upstream = ([127, 0, 0, 1], 0).into();
        let job = Job {
            seed: SEED,
            body: Body::Crawl(Crawl { upstream, hosts: HOSTS, per_host: PER_HOST }),
        };
        let overlap = u64::from(HOSTS * PER_HOST);
        let plan = Plan { job, shape: Shape::Graph, overlap, task_timeout_ms: None };
        let extent = format!("{pages} pages on {HOSTS} hosts, median latency {median_ms} ms");
        Ok(vec![Point { site: Some(site), ..Point::new("", plan, extent) }])
    }
}
