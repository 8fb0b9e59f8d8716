//! Whole comparisons through the program, with real lane hosts, small inputs and everything that can
//! go wrong on the way.

mod disturbed;
mod dummies;
mod host;
mod smoke;
mod started;
