//! A table that is filled once, where all workers see it: nothing of it is copied or sent.
//!
//! `cargo run -p processes --example processes_broadcast`

use std::error::Error;

use processes::{Buffer, Pool};

/// Numbers up to here.
const END: usize = 1 << 20;

/// Which numbers are prime: one byte for each.
fn sieve(is_prime: &mut [u8]) {
    is_prime.fill(1);
    is_prime[..2].fill(0);
    for n in 2..=is_prime.len().isqrt() {
        if is_prime[n] == 1 {
            is_prime[n * n..].iter_mut().step_by(n).for_each(|multiple| *multiple = 0);
        }
    }
}

/// How many numbers from `first` on, at most `count`, are the sum of two primes. Reads the table where
/// it is.
fn sums((is_prime, first, count): (Buffer, usize, usize)) -> usize {
    let is_sum = |n: usize| (2..n).any(|p| is_prime[p] == 1 && is_prime[n - p] == 1);
    (first..first + count).step_by(2).filter(|&n| is_sum(n)).count()
}

fn main() -> Result<(), Box<dyn Error>> {
    let pool = Pool::new(2)?;
    let mut table = pool.buffer(END)?;
    sieve(&mut table);
    let table = table.freeze();
    let parts = (2..50).map(|part| (table.clone(), part * 20_000, 20_000));
    let mut found = 0;
    for sums in pool.map(sums, parts) {
        found += sums?;
    }
    println!("{found} of 480000 even numbers are the sum of two primes");
    let stats = pool.stats();
    println!("{} table of {} bytes was there for {} calls", stats.arena_blocks, END, stats.done);
    Ok(())
}
