//! Arguments and results of all sizes.

use std::time::Duration;

use processes::{JoinError, Pool, Side};

use crate::support::{BOUND, gated, gates, soon};

mod arena;
mod buffer;
mod forked;
mod names;

pub(super) use arena::nothing_left;
pub(super) use buffer::filled;

#[test]
fn sizes_around_every_boundary_come_back_whole() {
    let pool = Pool::new(2).unwrap();
    let reverse: fn(Vec<u8>) -> Vec<u8> = |mut bytes| {
        bytes.reverse();
        bytes
    };
    let sizes = [0, 1, 250, 251, 65_000, 65_500, 65_506, 65_507, 65_536, 65_600, 213_000, 1 << 20];
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[0]).collect();
        let mut expected = bytes.clone();
        expected.reverse();
        assert_eq!(pool.submit(reverse, bytes).join().unwrap(), expected, "{size} bytes");
    }
}

#[test]
fn sixteen_mebibytes_both_ways() {
    let pool = Pool::new(1).unwrap();
    let text = "0123456789abcdef".repeat(1 << 20);
    let back = pool.submit(|text: String| text + "!", text.clone()).join().unwrap();
    assert!(back.len() == text.len() + 1 && back.starts_with(&text));
}

#[test]
fn many_frames_that_fill_the_credit() {
    let pool = Pool::new(2).unwrap();
    let handles: Vec<_> = (0..200_u32)
        .map(|n| pool.submit(|text: String| text.len(), "x".repeat(60_000 + n as usize)))
        .collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.join().unwrap(), 60_000 + n);
    }
}

#[test]
fn many_large_arguments_and_results_at_once() {
    let pool = Pool::new(2).unwrap();
    let handles: Vec<_> =
        (0..100_usize).map(|n| pool.submit(|text: String| text, "y".repeat(100_000 + n))).collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.join().unwrap().len(), 100_000 + n);
    }
}

#[test]
fn above_the_limit_is_an_error_on_the_right_side() {
    let pool = Pool::builder().workers(1).max_payload(100_000).build().unwrap();
    let error = pool.submit(|_: String| (), "z".repeat(100_000)).join().unwrap_err();
    assert!(
        matches!(error, JoinError::TooLarge { side: Side::Parent, limit: 100_000, size, .. }
            if size > 100_000),
        "{error}"
    );
    let error = pool.submit(|n: usize| "z".repeat(n), 100_000).join().unwrap_err();
    assert!(matches!(error, JoinError::TooLarge { side: Side::Worker, .. }), "{error}");
    assert_eq!(pool.submit(|n: usize| "z".repeat(n), 90_000).join().unwrap().len(), 90_000);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "each call is to travel in a frame of its own")]
fn the_pool_does_not_block_on_a_busy_worker() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    // While this one waits for its start, the supervisor looks every millisecond, and feeds the
    // busy worker.
    let limited = pool.submit_timeout(|()| (), (), Duration::from_millis(1));
    let (done, all) = std::sync::mpsc::channel();
    let calls = std::thread::scope(|scope| {
        let pool = &pool;
        let producer = scope.spawn(move || {
            // Of a size for which the kernel needs twice the memory.
            let calls: Vec<_> = (0..30)
                .map(|_| {
                    std::thread::sleep(Duration::from_millis(3));
                    pool.submit(|text: String| text.len(), "x".repeat(8_300))
                })
                .collect();
            done.send(()).unwrap();
            calls
        });
        let in_time = all.recv_timeout(BOUND);
        gate.put(1).unwrap();
        in_time.expect("nobody waits for the worker under the pool's lock");
        producer.join().unwrap()
    });
    assert_eq!(running.join().unwrap(), 1);
    drop(limited.join());
    for call in calls {
        assert_eq!(call.join().unwrap(), 8_300);
    }
}

#[test]
fn a_limit_below_one_frame_holds_for_results_too() {
    let pool = Pool::builder().workers(1).max_payload(1_000).build().unwrap();
    let error = pool.submit(|()| vec![0_u8; 5_000], ()).join().unwrap_err();
    assert!(
        matches!(error, JoinError::TooLarge { side: Side::Worker, limit: 1_000, .. }),
        "{error}"
    );
    assert_eq!(pool.submit(|()| vec![7_u8; 500], ()).join().unwrap(), [7; 500]);
}
