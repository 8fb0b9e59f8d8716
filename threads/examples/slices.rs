//! Slices and ranges that idle workers take part in, and which may borrow from their caller.
//!
//! `cargo run -p threads --example threads_slices`

use threads::{Pool, chunks, par_chunks_mut, par_find, par_for, par_map, par_map_reduce};
use threads::{par_scan, par_sort, par_sort_by_key, try_par_map, zip};

/// Whether it has no divisor.
fn is_prime(x: u64) -> bool {
    x > 1
        && (2..x)
            .take_while(|divisor| divisor * divisor <= x)
            .all(|divisor| !x.is_multiple_of(divisor))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A result for each item, in order, and one of all items.
    let words = ["tree", "apple", "stone", "bee"];
    println!("{:?}", par_map(&words[..], |word| word.len()));
    let primes = par_map_reduce(0..10_000_u64, |x| u32::from(is_prime(x)), |a, b| a + b);
    println!("primes: {primes:?}");

    // The first one that is found ends the search.
    println!("found: {:?}", par_find(1_000_000..2_000_000_u64, |x| is_prime(*x)));

    // In place: each item, each row, and running totals.
    let mut numbers = [1, 2, 3, 4, 5, 6];
    par_for(&mut numbers[..], |x| *x *= 10);
    par_scan(&mut numbers, |a, b| a + b);
    println!("{numbers:?}");
    let mut picture = [0; 6];
    par_chunks_mut(&mut picture, 3, |row, pixels| pixels.fill(row));
    println!("{picture:?}");

    // Pairs and chunks.
    let lines = par_map(zip(0..4_usize, &words[..]), |(place, word)| format!("{place} {word}"));
    println!("{}", lines.join(", "));
    println!("{:?}", par_map(chunks(&numbers, 4), |chunk| chunk.iter().sum::<i32>()));

    // Of several errors, that of a loop.
    let parsed = try_par_map(&["1", "x", "y", "4"][..], |text| {
        text.parse::<i32>().map_err(|error| format!("{text}: {error}"))
    });
    println!("{parsed:?}");

    // All of them work in the pool of their caller, else in the global one.
    let pool = Pool::new(2)?;
    let mut sorted = words;
    pool.install(|| par_sort(&mut sorted));
    println!("{sorted:?}");
    pool.install(|| par_sort_by_key(&mut sorted, |word| word.len())); // Stable.
    println!("{sorted:?}");
    Ok(())
}
