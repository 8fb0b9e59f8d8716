//! Going from one task to the next.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::loops::{Evented, Loop, Recorded, Smol, Tokio, TokioLocal};

/// Tasks that yield to each other.
const TASKS: u64 = 100;

/// The metrics.
pub(crate) fn metrics() -> [Metric; 3] {
    let plain = Metric {
        name: "yield.100".into(),
        about: format!(
            "{TASKS} tasks that wake themselves and let all others go first. As in all metrics, ours is \
             measured without its recorder, and with it as one more peer."
        ),
        unit: "yield",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: TASKS * 100, step: TASKS },
        named_only: false,
        baseline: None,
        ours: yields::<Evented>(),
        peers: vec![
            yields::<Tokio>().peer().required(Goal::RatioAtMost(0.5)),
            yields::<TokioLocal>()
                .peer()
                .required(Goal::RatioAtMost(0.5))
                .stretch(Goal::CostAtMost(30.0)),
            yields::<Smol>().peer(),
        ],
    };
    let recorded = Metric {
        name: "yield.recorded".into(),
        about: "The same with the recorder, against ours without it and a runtime that has none."
            .into(),
        unit: "yield",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: TASKS * 100, step: TASKS },
        named_only: false,
        baseline: None,
        ours: yields::<Recorded>(),
        peers: vec![
            yields::<Evented>().peer(),
            yields::<TokioLocal>().peer().stretch(Goal::CostAtMost(45.0)),
        ],
    };
    let switched = Metric {
        name: "wake.switch".into(),
        about: "Two tasks that wake each other in turn, each with a poll that does nothing else."
            .into(),
        unit: "switch",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: 10_000, step: 2 },
        named_only: false,
        baseline: None,
        ours: switches::<Evented>(),
        peers: vec![
            switches::<Tokio>().peer().required(Goal::RatioAtMost(0.5)),
            switches::<TokioLocal>()
                .peer()
                .required(Goal::RatioAtMost(0.5))
                .stretch(Goal::CostAtMost(35.0)),
            switches::<Smol>().peer(),
            switches::<Recorded>().peer(),
        ],
    };
    [plain, recorded, switched]
}

/// Goes to the end of the queue once.
struct Yield {
    /// It has been there.
    yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The same future of yielding everywhere: what is compared is the way through the queue.
fn yields<L: Loop>() -> Contender {
    Contender::new(L::NAME, |units| {
        let each = units / TASKS;
        let task = move || async move {
            let mut done = 0;
            while done < each {
                Yield { yielded: false }.await;
                done += 1;
            }
            done
        };
        L::run(async move {
            let watch = Stopwatch::start();
            let tasks: Vec<_> = (0..TASKS).map(|_| L::spawn(task())).collect();
            let mut done = 0;
            for task in tasks {
                done += task.await;
            }
            Sample::new(units, watch.stop(), Tally::of_count(done), Tally::of_count(units))
        })
    })
}

/// The wakers of two tasks, which exchange them once.
type Wakers = Arc<[OnceLock<Waker>; 2]>;

/// Polls and wakes the other one until it has done so `times` times; gives that number. Each poll
/// after the first has one cause, the wake by the other one.
async fn side(wakers: Wakers, me: usize, times: u64) -> u64 {
    let (mut polls, mut other) = (0, None);
    poll_fn(move |cx| {
        if polls == 0 && wakers[me].get().is_none() {
            wakers[me].get_or_init(|| cx.waker().clone());
            if me == 0 {
                // The other one wakes this one when it has begun.
                return Poll::Pending;
            }
        }
        polls += 1;
        let other = other.get_or_insert_with(|| {
            wakers[1 - me].get().expect("the first one begins first").clone()
        });
        other.wake_by_ref();
        if polls == times { Poll::Ready(polls) } else { Poll::Pending }
    })
    .await
}

/// Two such tasks.
fn switches<L: Loop>() -> Contender {
    Contender::new(L::NAME, |units| {
        L::run(async move {
            let wakers = Wakers::default();
            let watch = Stopwatch::start();
            let first = L::spawn(side(Arc::clone(&wakers), 0, units / 2));
            let second = L::spawn(side(wakers, 1, units / 2));
            let done = first.await + second.await;
            Sample::new(units, watch.stop(), Tally::of_count(done), Tally::of_count(units))
        })
    })
}
