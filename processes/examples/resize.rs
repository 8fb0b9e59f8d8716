//! More workers while there is much to do, and fewer afterwards; no call is lost.
//!
//! `cargo run -p processes --example processes_resize`

use processes::{Barrier, Event, Pool};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    processes::init();
    let pool = Pool::new(1)?;

    // Three calls that wait for each other need three workers.
    let meeting = Barrier::new(3)?;
    let meet = |meeting: Barrier| meeting.wait();
    let calls = [(); 3].map(|()| pool.submit(meet, meeting.clone()));
    println!("{} worker, finished: {}", pool.workers(), calls[0].is_finished());
    pool.resize(3)?;
    let mut places = Vec::new();
    for call in calls {
        places.push(call.join()??);
    }
    places.sort_unstable();
    println!("{} workers, places {places:?}", pool.workers());

    // Fewer: those that are busy end their calls first, and what waits goes to those that stay.
    let go = Event::new()?;
    let waiting = [(); 3].map(|()| pool.submit(|go: Event| go.wait(), go.clone()));
    let queued: Vec<_> = (0..100_u32).map(|x| pool.submit(|x| x, x)).collect();
    pool.resize(1)?;
    go.set();
    waiting.into_iter().try_for_each(processes::JoinHandle::join)?;
    let sum = queued.into_iter().map(processes::JoinHandle::join).sum::<Result<u32, _>>()?;
    println!("{} worker, sum {sum}", pool.workers());

    println!("none: {}", pool.resize(0).expect_err("that is none"));
    Ok(())
}
