//! Whole comparisons and benches through the program, with real lane hosts and bench programs, small
//! inputs and everything that can go wrong on the way.

mod bench;
mod disturbed;
mod dummies;
mod host;
mod smoke;
mod started;
