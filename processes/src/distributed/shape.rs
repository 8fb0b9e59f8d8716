//! What a type looks like to those that encode and decode it.
//!
//! A type says what it consists of only while it is decoded. So it is decoded from made-up values, and
//! what it asks for is noted: numbers of which width, structs of which name and fields, and so on, to
//! any depth. The notes become a hash, which is the same on all machines.
//!
//! - An enum shows one variant at a time. So there are many *runs*, in each of which every enum shows
//!   the variant whose turn it is, until all were seen in every place. A place is which enum of a
//!   variant's content it is: so there are finitely many, also when types contain themselves.
//! - Of a type that contains itself, what is optional ends with the third one inside of another, and an
//!   enum shows a variant that does not contain it, once one is known.
//! - A type may refuse a made-up value (1, `"1"`, true). What would come after is then not seen, nor what is
//!   behind `deserialize_any`; both are the same on all machines that have the same type.

mod notes;
mod parts;
mod probe;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use notes::Notes;
use probe::Probe;

/// A hash of what the type consists of.
pub(super) fn shape_of<T: DeserializeOwned>() -> u64 {
    let mut notes = Notes::default();
    loop {
        notes.begin_run();
        let steps = notes.steps;
        // What a type makes of made-up values is its own affair, and it may panic over them.
        let run = catch_unwind(AssertUnwindSafe(|| T::deserialize(Probe(&mut notes)).is_ok()));
        notes.note(match run {
            Ok(true) => "whole",
            Ok(false) => "refused",
            Err(_panic) => "panicked",
        });
        if notes.has_seen_all() || notes.are_many() || notes.steps == steps {
            return notes.hash.finish();
        }
    }
}

#[cfg(test)]
#[expect(dead_code, reason = "types that are only looked at")]
mod tests;
