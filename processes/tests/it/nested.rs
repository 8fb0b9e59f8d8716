//! Pools in workers.

use processes::{MAX_DEPTH, Pool};

/// Goes down `left` pools and returns how deep it came, or why it stopped.
fn descend(left: u32) -> Result<u32, String> {
    if left == 0 {
        return Ok(0);
    }
    let pool = Pool::new(1).map_err(|error| error.to_string())?;
    let below = pool.submit(descend, left - 1).join().map_err(|error| error.to_string())?;
    below.map(|depth| depth + 1)
}

#[test]
fn pools_nest_up_to_the_limit() {
    assert_eq!(descend(MAX_DEPTH), Ok(MAX_DEPTH));
    let error = descend(MAX_DEPTH + 1).unwrap_err();
    assert!(error.contains("nested 4 deep"), "{error}");
}
