//! The accounts, in a time that the tests make up.

use std::io;

use super::*;
use crate::chunks::Chunks;
use crate::class::Order;
use crate::tasks::Slot;

/// Classes and tasks without futures.
struct Model {
    classes: Classes,
    slots: Chunks<Slot>,
    now: Instant,
    /// How often each task was polled.
    polls: Vec<u64>,
}

impl Model {
    fn new() -> Self {
        let now = Instant::now();
        let classes = Classes::new(Duration::ZERO, now);
        Self { classes, slots: Chunks::new(), now, polls: Vec::new() }
    }

    /// A ready task of a new class.
    fn class(&mut self, name: &'static str, make: impl FnOnce(ClassSpec) -> ClassSpec) -> u32 {
        let class = self.classes.add(make(ClassSpec::new(name)), 1).unwrap();
        let task = self.asleep(class);
        self.classes.push(&self.slots, task, self.slots.get(task));
        task
    }

    /// A task that is not ready.
    fn asleep(&mut self, class: Class) -> u32 {
        let task = u32::try_from(self.polls.len()).unwrap();
        self.polls.push(0);
        let id = class.id_in(1);
        self.classes.populate(id);
        self.slots.get(task).class.set(id);
        task
    }

    /// Takes what is next.
    fn pop(&self) -> Option<u32> {
        let popped = self.classes.pop_hot(&self.slots);
        Some(popped.or_else(|| self.classes.pop_other(&self.slots))?.0)
    }

    /// Polls what is next for `cost(task)`; it is ready again if `stays(task)`.
    fn poll(&mut self, cost: impl Fn(u32) -> Duration, stays: impl Fn(u32) -> bool) -> Option<u32> {
        let task = self.pop()?;
        self.polls[task as usize] += 1;
        if stays(task) {
            self.classes.push(&self.slots, task, self.slots.get(task));
        }
        self.now += cost(task);
        self.classes.charge(self.slots.get(task).class.get(), self.now);
        Some(task)
    }

    fn busy(&self, task: u32) -> f64 {
        self.classes.stats(self.slots.get(task).class.get()).busy.as_secs_f64()
    }

    fn total(&self) -> f64 {
        (0..u32::try_from(self.polls.len()).unwrap()).map(|task| self.busy(task)).sum()
    }
}

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Within half a percent, whatever the polls of each cost.
#[test]
fn time_goes_by_shares() {
    let mut model = Model::new();
    let shares = [1, 2, 5, 12];
    let tasks = [("a", 1), ("b", 2), ("c", 5), ("d", 12)]
        .map(|(name, n)| model.class(name, |c| c.shares(n)));
    for _ in 0..20_000 {
        model.poll(|task| micros([3, 20, 7, 40][task as usize]), |_| true).unwrap();
    }
    for (task, share) in tasks.into_iter().zip(shares) {
        let (got, due) = (model.busy(task) / model.total(), f64::from(share) / 20.0);
        assert!((got - due).abs() < 0.005, "{share} of 20 shares: {got}");
    }
}

/// Who slept gets its shares from then on, and nothing for the time before.
#[test]
fn sleepers_save_nothing_up() {
    let mut model = Model::new();
    let busy = model.class("busy", |class| class);
    let late = model.classes.add(ClassSpec::new("late"), 1).unwrap();
    let late = model.asleep(late);
    for _ in 0..1_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    model.classes.push(&model.slots, late, model.slots.get(late));
    for _ in 0..100 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let polls = [busy, late].map(|task| model.polls[task as usize]);
    assert!((1_049..=1_051).contains(&polls[0]), "{polls:?}");
}

/// A class that goes first by its reserve gets more than its shares; who comes later does not wait until all have
/// got as much.
#[test]
fn nobody_makes_up_for_a_reserve() {
    let mut model = Model::new();
    let busy = model.class("busy", |class| class.shares(1_000));
    model.class("reserved", |class| class.shares(1).reserve(0.5));
    let late = model.classes.add(ClassSpec::new("late").shares(1_000), 1).unwrap();
    let late = model.asleep(late);
    for _ in 0..10_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let before = model.polls[busy as usize];
    model.classes.push(&model.slots, late, model.slots.get(late));
    for _ in 0..10_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let polls = [model.polls[busy as usize] - before, model.polls[late as usize]];
    assert!(polls.iter().all(|polls| (2_450..=2_550).contains(polls)), "{polls:?}");
}

/// Shares that change apply to what comes.
#[test]
fn shares_change_while_they_are_used() {
    let mut model = Model::new();
    let [one, other] = ["one", "other"].map(|name| model.class(name, |class| class));
    let id = model.slots.get(one).class.get();
    let spec = model.classes.spec(id).shares(3 * 1024);
    model.classes.change(id, spec).unwrap();
    for _ in 0..4_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let polls = [one, other].map(|task| model.polls[task as usize]);
    assert!((2_990..=3_010).contains(&polls[0]), "{polls:?}");
}

/// A tenth, and not much more, of a processor that the most urgent rank would keep busy.
#[test]
fn a_reserve_is_kept_beside_an_urgent_rank() {
    let mut model = Model::new();
    let urgent = model.class("urgent", |class| class.rank(0));
    let other = model.class("other", |class| class.rank(5).reserve(0.1));
    let starved = model.class("starved", |class| class.rank(5));
    for _ in 0..50_000 {
        model.poll(|_| micros(17), |_| true).unwrap();
    }
    let part = model.busy(other) / model.total();
    assert!((part - 0.1).abs() < 0.01, "{part}");
    assert!(model.busy(urgent) > 0.89 * model.total() && model.polls[starved as usize] == 0);
    let stats = model.classes.stats(model.slots.get(other).class.get());
    assert!(stats.rescues > 4_000, "{stats:?}");
}

/// A class that slept has its reserve of some milliseconds, not of all the time.
#[test]
fn a_reserve_is_not_saved_up() {
    let mut model = Model::new();
    model.class("urgent", |class| class.rank(0));
    let other = model.classes.add(ClassSpec::new("other").reserve(0.5), 1).unwrap();
    let other = model.asleep(other);
    for _ in 0..100_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    model.classes.push(&model.slots, other, model.slots.get(other));
    for _ in 0..2_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let polls = model.polls[other as usize];
    // Half of 2,000, and what half of the window is in polls.
    assert!((990..1_600).contains(&polls), "{polls}");
}

/// What a class has not used of its reserve is gone when the policy changes.
#[test]
fn a_policy_that_changes_begins_a_new_account() {
    let mut model = Model::new();
    model.class("urgent", |class| class.rank(0));
    let other = model.classes.add(ClassSpec::new("other").reserve(0.5), 1).unwrap();
    let (other, id) = (model.asleep(other), other.id_in(1));
    for _ in 0..2_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    model.classes.change(id, model.classes.spec(id)).unwrap();
    model.classes.push(&model.slots, other, model.slots.get(other));
    for _ in 0..200 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let polls = model.polls[other as usize];
    assert!((90..=110).contains(&polls), "half of 200, and not all of them: {polls}");
}

/// Of several classes that wait the smallest latency counts, whatever their ranks.
#[test]
fn the_smallest_latency_counts() {
    let mut model = Model::new();
    model.class("a", |class| class.rank(1).latency(micros(50)));
    model.class("b", |class| class.rank(1).latency(micros(70)));
    model.class("c", |class| class.rank(2).latency(micros(20)));
    model.classes.add(ClassSpec::new("empty").rank(2).latency(micros(1)), 1).unwrap();
    let latency = |ranks: u8| model.classes.latency(ranks);
    assert_eq!([0b10, 0b100, 0b110].map(latency), [50, 20, 20].map(micros));
    assert_eq!(latency(0b1000), Duration::MAX);
}

/// One poll each time the limit has passed.
#[test]
fn nobody_starves_longer_than_asked() {
    let mut model = Model::new();
    model.class("urgent", |class| class.rank(0));
    let other = model.class("other", |class| class.rank(7).max_starve(micros(1_000)));
    for _ in 0..100_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let polls = model.polls[other as usize];
    assert!((970..=1_000).contains(&polls), "{polls}");
    // Two tasks that are always ready get one poll in that time, not one each.
    let second = u32::try_from(model.polls.len()).unwrap();
    model.polls.push(0);
    model.slots.get(second).class.set(model.slots.get(other).class.get());
    model.classes.push(&model.slots, second, model.slots.get(second));
    for _ in 0..100_000 {
        model.poll(|_| micros(10), |_| true).unwrap();
    }
    let both = model.polls[other as usize] + model.polls[second as usize] - polls;
    assert!((970..=1_000).contains(&both), "{both}");
}

/// The nearest deadline first, then those that came first, then those without.
#[test]
fn deadlines_decide_the_order() {
    let mut model = Model::new();
    let class = model.classes.add(ClassSpec::new("edf").order(Order::Deadline), 1).unwrap();
    let deadlines = [NO_DEADLINE, 30, 10, 20, 10, NO_DEADLINE, 0];
    for deadline in deadlines {
        let task = model.asleep(class);
        model.slots.get(task).deadline.set(deadline);
        model.classes.push(&model.slots, task, model.slots.get(task));
    }
    model.classes.remove(&model.slots, 3);
    let order: Vec<u32> = std::iter::from_fn(|| model.poll(|_| micros(1), |_| false)).collect();
    assert_eq!(order, [6, 2, 4, 1, 0, 5]);
}

/// A task leaves a list wherever it is.
#[test]
fn out_of_the_middle() {
    for out in 0..4 {
        let mut model = Model::new();
        let class = model.classes.add(ClassSpec::new("fifo"), 1).unwrap();
        for _ in 0..4 {
            let task = model.asleep(class);
            model.classes.push(&model.slots, task, model.slots.get(task));
        }
        model.classes.remove(&model.slots, out);
        let order: Vec<u32> = std::iter::from_fn(|| model.poll(|_| micros(1), |_| false)).collect();
        assert_eq!(order, (0..4).filter(|&task| task != out).collect::<Vec<_>>());
        assert!(!model.classes.any_ready());
    }
}

/// Time is taken only from the moment on when it decides something.
#[test]
fn one_class_a_rank_is_not_metered() {
    let mut model = Model::new();
    model.class("urgent", |class| class.rank(0));
    model.class("other", |class| class.rank(1));
    assert!(!model.classes.is_metered());
    model.class("third", |class| class.rank(1));
    assert!(model.classes.is_metered());
}

#[test]
fn what_is_no_class_is_refused() {
    // As many names as are needed, of different lengths.
    const LONGEST: &str = match str::from_utf8(&[b'c'; MAX_CLASSES]) {
        Ok(longest) => longest,
        Err(_) => "",
    };
    let classes = Classes::new(Duration::ZERO, Instant::now());
    let spec = || ClassSpec::new("x");
    for wrong in [
        spec().rank(8),
        spec().shares(0),
        spec().shares(1_000_001),
        spec().reserve(0.91),
        spec().reserve(-0.1),
        spec().reserve(f64::NAN),
        ClassSpec::new("RT"),
    ] {
        assert_eq!(classes.add(wrong.clone(), 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    let mut names = (1..=MAX_CLASSES).map(|length| &LONGEST[..length]);
    let added = names.by_ref().take_while(|name| classes.add(ClassSpec::new(name), 1).is_ok());
    assert_eq!(added.count(), MAX_CLASSES - 4);
    assert!(classes.change(1, classes.spec(1).rank(0)).is_err(), "the rank stays");
}

/// Whatever comes and goes: what is next is the first task of the most urgent rank, and nobody is told of
/// tasks that are not there, also while one class is hot.
#[test]
fn a_hot_class_gives_way_and_leaves_nothing_behind() {
    let mut model = Model::new();
    let ranks = [0, 2, 5, 7];
    let classes = ["a", "b", "c", "d"].into_iter().zip(ranks);
    let classes: Vec<Class> = classes
        .map(|(name, rank)| model.classes.add(ClassSpec::new(name).rank(rank), 1).unwrap())
        .collect();
    let tasks: Vec<u32> = (0..12).map(|n| model.asleep(classes[n % 4])).collect();
    let mut queues: [Vec<u32>; 4] = Default::default();
    let mut random = 1_u64;
    for _ in 0..100_000 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let task = tasks[usize::try_from(random >> 40).unwrap() % tasks.len()];
        let queue = task as usize % 4;
        let at = queues[queue].iter().position(|&queued| queued == task);
        match (random >> 60, at) {
            (0..6, _) => {
                let next = queues.iter_mut().find(|queue| !queue.is_empty());
                assert_eq!(model.pop(), next.map(|queue| queue.remove(0)));
            }
            (6..8, Some(at)) => {
                model.classes.remove(&model.slots, task);
                queues[queue].remove(at);
            }
            (8.., None) => {
                model.classes.push(&model.slots, task, model.slots.get(task));
                queues[queue].push(task);
            }
            _ => {}
        }
        // Who asks puts things in order, so it must not happen each time, and one question at a time.
        let is_ready = queues.each_ref().map(|queue| !queue.is_empty());
        let asked = random >> 50 & 15;
        if asked == 4 {
            assert_eq!(model.classes.any_ready(), is_ready.contains(&true));
        } else if asked == 5 {
            let most_urgent = ranks.into_iter().zip(is_ready).find(|(_, is_ready)| *is_ready);
            let due = most_urgent.map_or(u8::MAX, |(rank, _)| u8::MAX >> (7 - rank));
            assert_eq!(model.classes.due_ranks(), due);
        } else if let Some(class) = classes.get(usize::try_from(asked).unwrap()) {
            let queue = &queues[usize::try_from(asked).unwrap()];
            assert_eq!(model.classes.stats(class.id_in(1)).ready, queue.len());
            assert_eq!(model.classes.is_any_ready(class.strict_rank().bit()), !queue.is_empty());
        }
    }
    assert!(!model.classes.is_metered());
}

/// A class that went on alone gives way to a guarantee as soon as there is one, of however low a rank.
#[test]
fn a_hot_class_is_none_once_time_decides() {
    let mut model = Model::new();
    let one = model.class("one", |class| class);
    for _ in 0..10 {
        model.poll(|_| micros(1), |_| true).unwrap();
    }
    let starved = model.class("starved", |class| class.rank(5).max_starve(micros(9)));
    for _ in 0..100 {
        model.poll(|_| micros(1), |_| true).unwrap();
    }
    assert!(model.polls[one as usize] >= 90, "{:?}", model.polls);
    assert!(model.polls[starved as usize] >= 8, "{:?}", model.polls);
}
