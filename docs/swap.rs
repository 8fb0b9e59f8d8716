use model::{JoinError, Lock, Pool, Queue};

fn collatz_steps(start: u64) -> u64 {
    std::iter::successors(Some(start), |n| Some(if n % 2 == 0 { n / 2 } else { 3 * n + 1 }))
        .position(|n| n == 1)
        .map_or(0, |steps| steps as u64)
}

fn record((start, found, total): (u64, Queue<u64>, Lock<u64>)) {
    *total.lock().expect("nobody panics while holding it") += 1;
    found.put(collatz_steps(start)).expect("nobody shuts the queue down");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    model::init();
    let pool = Pool::builder().workers(2).build()?;
    println!("submit: {}", pool.submit(collatz_steps, 27).join()?);
    println!("map: {:?}", pool.map(collatz_steps, 1..=9).collect::<Result<Vec<_>, _>>()?);
    println!("spawn: {}", model::spawn(collatz_steps, 97)?.join()?);
    let (found, total) = (Queue::bounded(2)?, Lock::new(0)?);
    pool.submit(record, (6171, found.clone(), total.clone())).join()?;
    println!("queue: {}, lock: {}", found.get()?, *total.lock().expect("it is not poisoned"));
    let bug = pool.submit(|n: u64| 100 / n, 0).join();
    println!("panic: {}", matches!(bug, Err(JoinError::Panicked { .. })));
    // SAFETY: none; this is the bug. Nothing is mapped at address 8.
    let bug = |_: u64| unsafe { std::ptr::without_provenance::<u64>(8).read_volatile() };
    println!("segfault: {:?}", pool.submit(bug, 0).join().map_err(|error| error.to_string()));
    println!("and on: {}", pool.submit(collatz_steps, 27).join()?);
    Ok(())
}
