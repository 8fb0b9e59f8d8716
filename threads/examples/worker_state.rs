//! Values of workers: buffers and partial sums without a lock.

use threads::Pool;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder()
        .workers(2)
        .initializer(|worker| match std::thread::current().name() {
            Some(_) => Ok(()),
            None => Err(format!("worker {worker} has no name")),
        })
        .build()?;

    // Each worker has its own buffer and its own sum.
    let states = pool.worker_local(|| (String::new(), 0));
    let mine = states.clone();
    let lengths = pool.map(
        move |x: u32| {
            mine.with(|(buffer, sum)| {
                buffer.clear();
                buffer.push_str(&x.to_string());
                *sum += u64::from(x);
                buffer.len()
            })
        },
        1..=1_000,
    );
    let digits: Result<usize, _> = lengths.sum();
    println!("digits: {}", digits?);

    // In the end, what the workers have is put together.
    let total: u64 = states.take_all().into_iter().map(|(_, sum)| sum).sum();
    println!("total: {total}");
    Ok(())
}
