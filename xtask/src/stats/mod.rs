//! The arithmetic behind every ratio, interval and verdict. No input or output, no clock, no
//! hidden state: the same samples always give the same words.
//!
//! The unit is a *round*: one execution of every lane, in random order ([`shuffle`]). Two lanes are
//! compared round by round ([`paired()`], [`Above`]), so that what a round suffered as a whole cancels
//! out.
//! The interval of the median ratio ([`Interval`]) is held against the noise floor of the machine
//! ([`Band`], from the A/A control) and becomes a [`Verdict`].
//!
//! Everything two-sided is symmetrical in log space: comparing A with B says exactly the opposite
//! of comparing B with A.

mod above;
mod bimodal;
mod interval;
mod line;
mod median;
mod metg;
mod paired;
mod shuffle;
mod verdict;

pub use above::Above;
pub use bimodal::{Modes, modes};
pub use interval::{Interval, Level};
pub use line::Line;
pub use median::median;
pub use metg::{Metg, metg};
pub use paired::{Paired, paired};
pub use shuffle::{in_blocks, shuffle};
pub use verdict::{Band, Noise, Verdict};
