//! Values through a bounded queue, from producers to consumers.

use std::{
    iter,
    sync::{Arc, Barrier},
    thread,
};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally};

use crate::fifo::{Crossbeam, Fifo, Kanal, Ours, Std};

/// The capacities.
const CAPACITIES: [usize; 3] = [1, 64, 1_024];

/// How many producers there are, and as many consumers.
const SIDES: [usize; 3] = [1, 2, 4];

/// A metric for each capacity and number of producers.
pub(crate) fn metrics() -> Vec<Metric> {
    CAPACITIES.iter().flat_map(|&capacity| SIDES.map(|side| metric(capacity, side))).collect()
}

/// The metric of this capacity, with so many producers and as many consumers.
fn metric(capacity: usize, side: usize) -> Metric {
    let crossbeam = contender::<Crossbeam>(capacity, side).peer();
    let kanal = contender::<Kanal>(capacity, side).peer();
    let mut peers =
        vec![crossbeam.required(Goal::RatioAtMost(1.2)), kanal.stretch(Goal::RatioAtMost(1.0))];
    if side == 1 {
        peers.push(contender::<Std>(capacity, side).peer());
    }
    Metric {
        name: format!("queue.{capacity}.{side}x{side}"),
        about: format!(
            "Values through a bounded queue of capacity {capacity}; producers: {side}, consumers: \
             {side}, a thread each."
        ),
        unit: "value",
        cost: Cost::Wall,
        amount: Amount::calibrated(200),
        named_only: false,
        baseline: None,
        ours: contender::<Ours>(capacity, side),
        peers,
    }
}

/// This queue.
fn contender<Q: Fifo>(capacity: usize, side: usize) -> Contender {
    Contender::new(Q::NAME, move |units| sample::<Q>(capacity, side, units))
}

/// Sends `0..units` through the queue.
fn sample<Q: Fifo>(capacity: usize, side: usize, units: u64) -> Sample {
    let (puts, gets) = Q::ends(capacity, side, side);
    let threads = puts.len() + gets.len() + 1;
    // All threads are up, and then the watch is started, before the first value.
    let (up, go) = (Arc::new(Barrier::new(threads)), Arc::new(Barrier::new(threads)));
    let wait = || {
        let (up, go) = (Arc::clone(&up), Arc::clone(&go));
        move || {
            up.wait();
            go.wait();
        }
    };
    let producers = iter::zip(0.., puts).map(|(first, end)| {
        let wait = wait();
        thread::spawn(move || {
            wait();
            (first..units).step_by(side).for_each(|value| Q::put(&end, value));
            end
        })
    });
    let producers: Vec<_> = producers.collect();
    let consumers = gets.into_iter().map(|end| {
        let wait = wait();
        thread::spawn(move || {
            wait();
            iter::from_fn(|| Q::get(&end)).collect::<Tally>()
        })
    });
    let consumers: Vec<_> = consumers.collect();
    up.wait();
    let watch = Stopwatch::start();
    go.wait();
    let done = producers.into_iter().map(|thread| thread.join().expect("no producer panics"));
    Q::close(done.collect());
    let found = consumers.into_iter().map(|thread| thread.join().expect("no consumer panics"));
    let found = found.fold(Tally::default(), Tally::plus);
    Sample::new(units, watch.stop(), found, Tally::of_range(units))
}
