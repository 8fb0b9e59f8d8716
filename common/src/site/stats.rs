//! What the server of a site counted.

use serde::{Deserialize, Serialize};

/// What the server of a site counted since it started or was last reset: the answer to
/// `GET /stats`, as JSON.
///
/// A request is *in flight* from when the server has read and accepted it until the last byte of
/// its answer is handed to the kernel (or its connection is gone). A crawler that counts its own
/// requests from before the first byte sent to after the last byte received therefore never counts
/// fewer than the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteStats {
    /// Well-formed requests for anything but `/stats` and `/reset`, whatever was answered.
    pub requests: u64,
    /// Answers with status 200, written completely.
    pub served: u64,
    /// Answers with status 503, written completely.
    pub errors_503: u64,
    /// Requests refused because their virtual host had too many in flight.
    pub refused_429: u64,
    /// The most requests in flight at once. A refused request is never in flight.
    pub peak_in_flight: u64,
    /// The most requests of one virtual host in flight at once.
    pub peak_per_host: u64,
}
