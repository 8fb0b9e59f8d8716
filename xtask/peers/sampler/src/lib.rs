//! What bench programs have in common: one sample of one metric of one contender, and what there is to sample.
//!
//! A bench program measures one model beside its peers. It takes no decisions: which samples are
//! taken, how large they are, in which order, and what they say is up to `cargo xtask bench`, which
//! starts the program afresh for each of them.
//!
//! # What the program is asked
//!
//! `PROGRAM --list` prints one line of JSON: a [`Listing`], with the metrics, the contenders of each,
//! and the goals that the design sets them, and with the metrics whose instructions are counted. It
//! is the only list of them anywhere.
//!
//! `PROGRAM --metric M --contender C --units N` does the work of metric M with contender C, N units
//! of it, once, and prints one line of JSON: a [`Sample`].
//!
//! `PROGRAM --metric M --contender A,B,C --units N --slices S` does so by turns, S times N units with each of
//! these contenders, all in the one process, and prints one line of JSON: for each of them, in this
//! order, its S [`Sample`]s.
//!
//! `PROGRAM --conclude COSTS`, where COSTS is a JSON object with our median cost of a unit in each metric, prints
//! one line of JSON: Markdown that says what follows from them ([`Offer::conclusion`]), or `null`.
//!
//! # Vocabulary
//!
//! *metric*: something that costs time, wall-clock or processor, or memory. *contender*: ours or a *peer*,
//! which does the same work. *baseline*: what does it without the thing that is measured, where only
//! the costs above that are compared. *unit*: what a metric counts, a job or an item. *sample*: the
//! measurement of so many units in a process of its own. *slice*: a short one, taken by turns with those
//! of other contenders in the same process; see [`Amount::Sliced`].
//!
//! # Adding a metric
//!
//! A metric is one file that makes a [`Metric`], and an entry in the program's list. The work has to
//! be fixed by the number of units, and its results have to be checked: a [`Tally`] of what really
//! happened, held against what should have.

mod countdown;
mod dummy;
mod metric;
mod program;
mod sample;
mod slices;
mod stopwatch;

pub use countdown::Countdown;
pub use metric::{
    Amount, Conclusion, Contender, Cost, Costs, Counted, Goal, Listing, Metric, Offer, Peer,
};
pub use program::main;
pub use sample::{Sample, Tally};
pub use stopwatch::{Stopwatch, Times};
