//! The sites that tests are served.

use std::{num::NonZeroU32, time::Duration};

use common::site::{Site, SiteSpec};
use load::Running;

/// The default limit of the program.
pub(crate) const PER_HOST: NonZeroU32 = NonZeroU32::new(8).unwrap();

/// 200 pages on 4 hosts, answered almost at once.
pub(crate) fn quick() -> SiteSpec {
    SiteSpec {
        seed: 1,
        pages: 200,
        hosts: 4,
        median_latency: Duration::from_micros(200),
        sigma: 0.5,
        error_permille: 200,
    }
}

/// The same, where an answer never comes while a test runs.
pub(crate) fn slow() -> SiteSpec {
    SiteSpec { median_latency: Duration::from_mins(1), sigma: 0.0, ..quick() }
}

/// Serves `spec` on a thread, with the default limit.
pub(crate) fn serve(spec: SiteSpec) -> (Site, Running) {
    let site = Site::new(spec).unwrap();
    let running = load::serve_in_background(site.clone(), PER_HOST).unwrap();
    (site, running)
}
