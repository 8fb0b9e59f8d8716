//! From samples to words: which lane to use, and what of the classic answer holds.

mod answers;
mod claims;
mod faults;
mod series;
pub(super) mod words;

pub use answers::{Answer, Rival, answers};
pub use claims::{CLAIMS, Claim, ClaimResult, Expects, Finding, Test, Which, claims};
pub use series::{Comparison, Floor, Judgement, Metric, control_half_width};

pub(super) use answers::SIMPLEST_FIRST;
pub(super) use faults::{WORKLOAD as FAULTS, survived};
pub(super) use series::median_of;

use super::record::Run;

/// Judges everything that has been measured so far.
pub fn judge(run: &mut Run) {
    run.answers = answers(run);
    run.claims = claims(run);
    run.noise.control_half_width = control_half_width(run);
}
