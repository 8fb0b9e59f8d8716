//! At most two processes at a time use a resource, also when one of them is killed with it.
//!
//! `cargo run -p processes --example processes_semaphore`

use processes::{BoundedSemaphore, Event, Semaphore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (connections, taken, leave) =
        (BoundedSemaphore::new(2)?, Semaphore::new(0)?, Event::new()?);
    let work = |(connections, taken, leave): (BoundedSemaphore, Semaphore, Event)| {
        let _permit = connections.acquire(); // Released when it is dropped.
        taken.release(1);
        leave.wait();
    };
    let handles = (connections.clone(), taken.clone(), leave.clone());
    let first = processes::spawn(work, handles.clone())?;
    let second = processes::spawn(work, handles)?;
    (0..2).for_each(|_| taken.acquire().forget());
    println!("both work, a third may: {}", connections.try_acquire().is_some());

    first.kill();
    println!("the first one: {}", first.join().is_err());
    println!("its permit is back: {}", connections.try_acquire().is_some());
    leave.set();
    second.join()?;
    println!("left in the end: {}", connections.available());
    Ok(())
}
