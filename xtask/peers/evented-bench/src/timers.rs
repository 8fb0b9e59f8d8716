//! Timers that are started and stopped, as those of timeouts are.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::loops::{Evented, Loop, Recorded, Smol, Tokio, TokioLocal};

/// Timers that wait meanwhile.
const OTHERS: u64 = 10_000;

/// The metric.
pub(crate) fn metric() -> Metric {
    Metric {
        name: "timer.cancel".into(),
        about: format!(
            "A sleep of 1 to 61 seconds that is polled once and dropped, while {OTHERS} others wait."
        ),
        unit: "timer",
        cost: Cost::Cpu,
        amount: Amount::calibrated(10_000),
        named_only: false,
        baseline: None,
        ours: contender::<Evented>(),
        peers: vec![
            contender::<Tokio>().peer().stretch(Goal::RatioAtMost(0.5)),
            contender::<TokioLocal>().peer().stretch(Goal::RatioAtMost(0.5)),
            contender::<Smol>().peer(),
            contender::<Recorded>().peer(),
        ],
    }
}

/// A duration of 1 to 61 seconds, spread by Knuth's multiplicative hashing.
fn duration(number: u64) -> Duration {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    Duration::from_micros(1_000_000 + spread % 60_000_000)
}

/// Polls a sleep once; whether it waits.
async fn begins_to_wait(mut sleep: Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())).await
}

/// This loop.
fn contender<L: Loop>() -> Contender {
    Contender::new(L::NAME, |units| {
        L::run(async move {
            let mut others = Vec::new();
            for number in 0..OTHERS {
                let mut other = Box::pin(L::sleep(duration(number)));
                assert!(begins_to_wait(other.as_mut()).await, "it lasts a second and more");
                others.push(other);
            }
            let watch = Stopwatch::start();
            let mut waited = 0;
            for number in 0..units {
                let sleep = pin!(L::sleep(duration(OTHERS + number)));
                waited += u64::from(begins_to_wait(sleep).await);
            }
            let times = watch.stop();
            drop(others);
            Sample::new(units, times, Tally::of_count(waited), Tally::of_count(units))
        })
    })
}
