use std::time::Duration;

use model::{Barrier, BoundedSemaphore, Condition, Event, Lock, Pool, Semaphore};

/// Nothing here takes that long.
const LONG: Duration = Duration::from_secs(30);

fn deposit((balance, changed): (Lock<u64>, Condition)) {
    *balance.lock().expect("nobody panics while holding it") += 10;
    changed.notify_all();
}

fn count_down((start, ready): (Event, Semaphore)) -> bool {
    ready.release(1);
    start.wait_timeout(LONG)
}

fn use_connection((free, uses): (BoundedSemaphore, Lock<(u64, u64)>)) {
    let _permit = free.acquire(); // Released when it is dropped.
    let mut uses = uses.lock().expect("nobody panics while holding it");
    uses.0 += 1;
    uses.1 = uses.1.max(2 - free.available() as u64);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    model::init();
    let pool = Pool::builder().workers(3).build()?;

    let (balance, changed) = (Lock::new(0_u64)?, Condition::new()?);
    let deposits = [(); 3].map(|()| pool.submit(deposit, (balance.clone(), changed.clone())));
    let guard = balance.lock().expect("nobody panics while holding it");
    let guard = changed.wait_for(guard, |sum| *sum >= 30).expect("nobody panics while holding it");
    println!("condition: {}", *guard);
    drop(guard);
    deposits.into_iter().try_for_each(model::JoinHandle::join)?;

    let (start, ready) = (Event::new()?, Semaphore::new(0)?);
    let runners = [(); 3].map(|()| pool.submit(count_down, (start.clone(), ready.clone())));
    (0..3).for_each(|_| ready.acquire().forget());
    println!("semaphore: {} left, event: {}", ready.available(), start.is_set());
    start.set();
    println!("event: {:?}", runners.map(|call| call.join().unwrap_or(false)));

    let (free, uses) = (BoundedSemaphore::new(2)?, Lock::new((0_u64, 0_u64))?);
    let calls = [(); 8].map(|()| pool.submit(use_connection, (free.clone(), uses.clone())));
    calls.into_iter().try_for_each(model::JoinHandle::join)?;
    let (count, most) = *uses.lock().expect("it is not poisoned");
    println!("bounded semaphore: {count} uses, at most two at a time: {}", most <= 2);
    println!("once too often: {}", free.release(1).is_err());

    let barrier = Barrier::new(3)?;
    let parties = [(); 3].map(|()| pool.submit(|b: Barrier| b.wait_timeout(LONG), barrier.clone()));
    let mut places = parties.map(|call| call.join().expect("no party panics"));
    places.sort_by_key(|place| place.ok());
    println!("barrier: {places:?}, alone: {:?}", barrier.wait_timeout(Duration::ZERO));
    println!("then: {:?}", barrier.wait());
    Ok(())
}
