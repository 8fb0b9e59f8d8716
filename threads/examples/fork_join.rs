//! Two closures, or many, that borrow from their caller and may run at the same time.
//!
//! `cargo run -p threads --example threads_fork_join`

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use threads::{Pool, join, scope};

/// Sorts; the two sides of the pivot may be done at the same time.
fn quicksort(numbers: &mut [u32]) {
    let Some((pivot, rest)) = numbers.split_first_mut() else { return };
    // The smaller ones to the front.
    let mut smaller = 0;
    for place in 0..rest.len() {
        if rest[place] < *pivot {
            rest.swap(place, smaller);
            smaller += 1;
        }
    }
    numbers.swap(0, smaller);
    let (left, right) = numbers.split_at_mut(smaller);
    join(|| quicksort(left), || quicksort(&mut right[1..]));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In the global pool, as this thread belongs to none.
    let mut numbers: Vec<u32> = (0..10_000).map(|x| x * 7_919 % 10_007).collect();
    quicksort(&mut numbers);
    println!("sorted: {}", numbers.is_sorted());

    // Many closures, in a pool of their own; all have ended when the scope does.
    let pool = Pool::new(2)?;
    let longest = Mutex::new("");
    pool.scope(|scope| {
        for line in ["join for two", "scope for many", "broadcast for all"] {
            let longest = &longest;
            scope.spawn(move || {
                let word = line.split(' ').max_by_key(|word| word.len()).unwrap_or_default();
                let mut longest = longest.lock().expect("nobody panics under it");
                if word.len() > longest.len() {
                    *longest = word;
                }
            });
        }
    });
    println!("longest word: {}", longest.lock().expect("nobody panics under it"));

    // The same closure once on each worker.
    println!("workers: {:?}", pool.broadcast(|worker| worker));

    // A panic goes on in the caller, when nothing that borrows from it runs any more.
    let failed = catch_unwind(AssertUnwindSafe(|| {
        pool.install(|| scope(|scope| scope.spawn(|| panic!("out of cheese"))));
    }));
    println!("panicked: {:?}", failed.expect_err("a closure panics").downcast_ref::<&str>());
    Ok(())
}
