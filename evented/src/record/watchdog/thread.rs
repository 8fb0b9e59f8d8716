//! The life of the thread, and how it looks at reactors.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::layout::{Who, head};
use super::super::report::Scale;
use super::{IS_WATCHDOG, WATCHDOG, Watched};

/// What was seen of a reactor.
struct Sight {
    /// How many things it had begun.
    begun: u64,
    /// Since when it is in the last one of them, as far as was seen.
    since: Instant,
    /// How many looks have found it there.
    looks: u32,
    /// How often it was told of.
    told: u32,
}

/// The life of the thread of this number.
pub(super) fn run(number: u64) {
    IS_WATCHDOG.set(true);
    let mut sights: HashMap<u64, Sight> = HashMap::new();
    while let Some((watched, delivery, tick)) = WATCHDOG.next(number) {
        if let Some(delivery) = delivery {
            delivery.give();
            WATCHDOG.hook_returned(number);
        }
        sights.retain(|reactor, _| watched.iter().any(|watched| watched.reactor == *reactor));
        for watched in &watched {
            if let Some(limit) = watched.hooks.limit {
                look(watched, number, (limit, tick), &mut sights);
            }
        }
    }
}

/// The thread of this number looks at a reactor.
fn look(
    watched: &Watched,
    number: u64,
    (limit, tick): (Duration, Duration),
    sights: &mut HashMap<u64, Sight>,
) {
    let header = watched.shared.header();
    let load = |word: usize| header[word].load(Ordering::Relaxed);
    let (begun, who, since) = (load(head::BEGUN), Who(load(head::RUNNING)), load(head::NOW));
    let keeps = who == Who::CALL || who.name().is_some();
    if !watched.is_awake.load(Ordering::Acquire) || !keeps {
        sights.remove(&watched.reactor);
        return;
    }
    let fresh = || Sight { begun, since: Instant::now(), looks: 0, told: 0 };
    let sight = sights.entry(watched.reactor).or_insert_with(fresh);
    if sight.begun != begun {
        *sight = fresh();
        return;
    }
    sight.looks = sight.looks.saturating_add(1);
    let scale = Scale { base: since, ns_per_tick: f64::from_bits(load(head::NS_PER_TICK)) };
    let elapsed = scale.moment(watched.shared.ticks()).max(sight.since.elapsed());
    // It may be that the whole process stood still: then there were no looks.
    let seen = tick.saturating_mul(sight.looks);
    let due = limit.saturating_mul(1_u32.checked_shl(sight.told).unwrap_or(u32::MAX));
    if elapsed >= due && seen >= due / 2 && load(head::BEGUN) == begun {
        watched.tell((who, begun), elapsed, sight.told, number);
        sight.told += 1;
    }
}
