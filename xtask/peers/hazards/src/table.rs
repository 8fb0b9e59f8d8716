//! What the document shows.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    observed::{Outcome, observe},
    program::{Pool, Program, programs},
};

/// The line in front of the table.
const BEGIN: &str = "<!-- hazards:begin -->";

/// The line behind it.
const END: &str = "<!-- hazards:end -->";

/// The versions of all peers.
const LOCK: &str = include_str!("../../Cargo.lock");

/// How a program ended in both pools.
#[derive(Debug)]
pub struct Seen {
    /// Which program.
    pub program: &'static Program,
    /// With rayon's pool.
    pub rayon: Outcome,
    /// With ours.
    pub threads: Outcome,
}

/// Runs each program with each pool, by `executable`.
///
/// # Errors
///
/// When processes cannot be started.
pub fn see(executable: &Path) -> io::Result<Vec<Seen>> {
    let see = |program: &'static Program| {
        let observe = |pool| observe(executable, program, pool, limit(pool));
        Ok(Seen { program, rayon: observe(Pool::Rayon)?, threads: observe(Pool::Threads)? })
    };
    thread::scope(|scope| {
        // At the same time, as most of the time is waiting for those that hang.
        let threads: Vec<_> =
            programs().iter().map(|program| scope.spawn(move || see(program))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
    })
}

/// What takes longer is taken for ever. Programs take a fraction of a second, and none of ours is
/// known to hang.
fn limit(pool: Pool) -> Duration {
    match pool {
        Pool::Rayon => Duration::from_secs(8),
        Pool::Threads => Duration::from_mins(1),
    }
}

/// What was seen, as the document shows it.
pub fn table(seen: &[Seen]) -> String {
    let head = format!("| program | rayon {} | here |\n|---|---|---|\n", version("rayon"));
    seen.iter().fold(head, |table, Seen { program, rayon, threads }| {
        table + &format!("| {} | {rayon} | {threads} |\n", program.about)
    })
}

/// The version of a peer.
fn version(name: &str) -> &'static str {
    let (_, rest) =
        LOCK.split_once(&format!("name = \"{name}\"\nversion = \"")).expect("it is locked");
    rest.split('"').next().expect("there is something before a quote")
}

/// The document with the table.
pub fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../threads/RAYON.md")
}

/// The text with this table in place of the one that is between the markers.
///
/// # Errors
///
/// When it has no markers.
pub fn spliced(text: &str, table: &str) -> Result<String, String> {
    let missing = || format!("there must be {BEGIN} and {END}");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let once = spliced(&format!("a\n{BEGIN}\nold\n{END}\nz\n"), "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n\n{END}\nz\n"));
        assert_eq!(spliced(&once, "new\n").unwrap(), once);
        assert!(spliced(END, "new\n").is_err());
    }
}
