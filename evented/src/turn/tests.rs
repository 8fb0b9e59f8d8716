use std::time::Duration;

use crate::record::RecorderSpec;
use crate::{Reactor, advance, join_all, spawn, stats, yield_now};

/// Turns of tasks that yield so often, with polls of this length, in virtual time.
fn turns(spec: RecorderSpec, yields: u32, poll: Duration) -> u64 {
    let reactor = Reactor::builder().virtual_time().recorder(spec).build().unwrap();
    reactor.block_on(async move {
        let before = stats().turns;
        let task = || async move {
            for _ in 0..yields {
                advance(poll);
                yield_now().await;
            }
        };
        let tasks = [spawn(task()), spawn(task())];
        assert!(join_all(tasks).await.iter().all(Result::is_ok));
        stats().turns - before
    })
}

/// Whatever tells the time.
#[test]
fn a_turn_ends_after_so_many_polls_or_so_much_time() {
    for spec in [RecorderSpec::off, RecorderSpec::new] {
        // 320 polls.
        let short = turns(spec().in_memory(), 160, Duration::ZERO);
        assert!((4..=7).contains(&short), "{short}");
        let long = turns(spec().in_memory(), 160, super::SLICE);
        assert!(long > 280, "{long}");
        let half = turns(spec().in_memory(), 160, super::SLICE / 2);
        assert!((100..=240).contains(&half), "{half}");
    }
}
