//! Tasks that come and go.

use std::{cell::Cell, future::poll_fn, rc::Rc, task::Poll};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::loops::{Evented, Local, Loop, Recorded, Smol, Tokio, TokioLocal};

/// Tasks that are spawned before the first one is awaited.
const BATCH: u64 = 500;

/// The metrics.
pub(crate) fn metrics() -> [Metric; 2] {
    [joined(), soon()]
}

/// Tasks that are awaited.
fn joined() -> Metric {
    Metric {
        name: "spawn.join".into(),
        about: format!(
            "{BATCH} tasks spawned by another one, which then awaits them all, again and again."
        ),
        unit: "task",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: 10 * BATCH, step: BATCH },
        named_only: false,
        baseline: None,
        ours: contender::<Evented>(),
        peers: vec![
            contender::<Tokio>().peer().required(Goal::RatioAtMost(0.5)),
            contender::<TokioLocal>()
                .peer()
                .required(Goal::RatioAtMost(0.5))
                .stretch(Goal::CostAtMost(90.0)),
            contender::<Smol>().peer(),
            contender::<Recorded>().peer(),
        ],
    }
}

/// What runs soon, and of which nobody is told when it has.
fn soon() -> Metric {
    Metric {
        name: "call.soon".into(),
        about: format!(
            "{BATCH} closures that run when it is their turn, again and again: callbacks of ours, tasks of \
             the others that nobody awaits."
        ),
        unit: "callback",
        cost: Cost::Cpu,
        amount: Amount::Calibrated { first: 10 * BATCH, step: BATCH },
        named_only: false,
        baseline: None,
        ours: callbacks::<Evented>(),
        peers: vec![
            callbacks::<TokioLocal>().peer(),
            callbacks::<Smol>().peer(),
            callbacks::<Recorded>().peer(),
        ],
    }
}

/// This loop.
fn contender<L: Loop>() -> Contender {
    Contender::new(L::NAME, |units| {
        L::run(async move {
            let watch = Stopwatch::start();
            let mut found = Tally::default();
            let mut tasks = Vec::with_capacity(BATCH.try_into().expect("it is small"));
            for batch in 0..units / BATCH {
                let numbers = batch * BATCH..(batch + 1) * BATCH;
                tasks.extend(numbers.map(|number| L::spawn(async move { number })));
                for task in tasks.drain(..) {
                    found = found.plus(Tally { count: 1, sum: task.await });
                }
            }
            Sample::new(units, watch.stop(), found, Tally::of_range(units))
        })
    })
}

/// Callbacks of this loop.
fn callbacks<L: Local>() -> Contender {
    Contender::new(L::NAME, |units| {
        L::run(async move {
            let watch = Stopwatch::start();
            let found = Rc::new(Cell::new(Tally::default()));
            for batch in 0..units / BATCH {
                for number in batch * BATCH..(batch + 1) * BATCH {
                    let found = Rc::clone(&found);
                    L::soon(move || found.set(found.get().plus(Tally { count: 1, sum: number })));
                }
                // They are in front of this one.
                poll_fn(|cx| {
                    if found.get().count == (batch + 1) * BATCH {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
            }
            Sample::new(units, watch.stop(), found.get(), Tally::of_range(units))
        })
    })
}
