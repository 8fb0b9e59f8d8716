//! A call that dies now and then is run again; one that always does is given up.

use processes::{CallOptions, JoinError, Pool, Queue};

/// Dies in the first attempt, as code does that cannot be mended.
#[expect(clippy::needless_pass_by_value, reason = "what a call gets is its own")]
fn fragile(attempts: Queue<u32>) -> usize {
    attempts.put(std::process::id()).expect("nobody shuts it down");
    if attempts.len() < 2 {
        eprintln!("I am worker number one");
        std::process::abort();
    }
    attempts.len()
}

/// Dies in each attempt.
fn poison((): ()) {
    eprintln!("this cannot work");
    std::process::exit(9);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let set_up = |name: String| {
        // Each worker does this first, also a replacement.
        if name.is_empty() { Err("a name is needed") } else { Ok(()) }
    };
    let pool =
        Pool::builder().workers(1).initializer(set_up, "library".to_owned()).capture_stderr(1000);
    let pool = pool.build()?;
    let again = CallOptions::new().retries(2);

    let attempts = Queue::bounded(8)?;
    println!("attempts: {}", pool.submit_with(again, fragile, attempts).join()?);

    let error = pool.submit_with(again, poison, ()).join().expect_err("it cannot work");
    if let JoinError::Poison { attempts, last, .. } = &error {
        println!(
            "given up after {attempts}; it wrote: {}",
            last.to_string().contains("cannot work")
        );
    }
    println!("and on: {}", pool.submit(|x: u32| x + 1, 1).join()?);
    println!("retried: {}", pool.stats().retried);

    let broken = Pool::builder().workers(1).initializer(set_up, String::new()).build()?;
    let error = broken.submit(|x: u32| x, 1).join().expect_err("its workers do not start");
    println!("{error}");
    Ok(())
}
