//! Two processes fill a table in place, count what they do, and all read it without a copy when
//! nobody can change it any more.
//!
//! `cargo run -p processes --example processes_shared_memory`

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use processes::{Frozen, Pool, SharedArray, SharedAtomics};

const PART: usize = 50_000;

/// What a call gets: the table, a counter, and which part is its own.
type Work = (SharedArray<u64>, SharedAtomics<AtomicU64>, usize);

/// Runs in a worker: notes how many steps each number takes to come down to 1.
fn fill((table, numbers, part): Work) {
    let steps = |start: usize| {
        let next = |&n: &usize| Some(if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 });
        std::iter::successors(Some(start), next).position(|n| n == 1).map_or(0, |at| at as u64)
    };
    // Computed here, without the table; then written at once.
    let own: Vec<_> = (part * PART + 1..=(part + 1) * PART).map(steps).collect();
    table.write(part * PART, &own);
    numbers[0].fetch_add(own.len() as u64, Relaxed);
}

/// Runs in a worker: the number below which no other takes as many steps.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn longest(table: Frozen<u64>) -> Option<(u64, usize)> {
    table
        .iter()
        .zip(1..)
        .map(|(&steps, n)| (steps, n))
        .max_by_key(|&(steps, n)| (steps, usize::MAX - n))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new(2)?;
    let table = SharedArray::filled(0_u64, 4 * PART)?;
    let numbers = SharedAtomics::<AtomicU64>::new(1)?;
    let parts = (0..4).map(|part| (table.clone(), numbers.clone(), part));
    pool.map(fill, parts).collect::<Result<Vec<_>, _>>()?;
    println!("numbers: {}", numbers[0].load(Relaxed));

    let table = table.freeze()?;
    println!("of 27: {}, longest: {:?}", table[26], pool.submit(longest, table.clone()).join()?);
    Ok(())
}
