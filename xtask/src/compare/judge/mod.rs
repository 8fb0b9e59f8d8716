//! From samples to words: which lane to use, and what of the classic answer holds.

mod answers;
mod claims;
mod faults;
mod series;
mod words;

pub use answers::{Answer, Rival, answers};
pub use claims::{Claim, ClaimResult, Finding, claims};
pub use series::{Comparison, Judgement, Metric, control_half_width};

use super::record::Run;

/// Judges everything that has been measured so far.
pub fn judge(run: &mut Run) {
    run.answers = answers(run);
    run.claims = claims(run);
    run.noise.control_half_width = control_half_width(run);
}
