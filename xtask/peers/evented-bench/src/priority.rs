//! A task that is more urgent than a hundred others: when does it get its turn?
//!
//! A hundred background tasks are always ready, and each poll of them takes 20 us. One of them writes
//! to a socket now and then, in the middle of a poll; the urgent task waits at its other end. All of
//! that happens on one thread, so that its own processor time is the clock: it stands still while
//! others have the processor, and what is measured is only what the loop decides.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io::Write,
    os::unix::net::UnixStream,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use sampler::{Amount, Contender, Cost, Goal, Metric, Sample, Stopwatch, Tally, Times};

use crate::{
    clock::thread_cpu_ns,
    loops::{Evented, Local, TokioLocal},
    sockets::{self, Sockets, pairs},
};

/// Background tasks.
const BACKGROUND: u64 = 100;

/// What each of their polls takes, in nanoseconds of processor time.
const POLL_NS: u64 = 20_000;

/// A message is written in each so many polls, every 4 ms: after the one before was read, in every
/// contender.
const EACH: u64 = 211;

/// Messages of a sample of the latency.
const MESSAGES: u64 = 200;

/// Polls of a sample of the rest: half a second.
const POLLS: u64 = 25_000;

/// The metrics.
pub(crate) fn metrics() -> [Metric; 3] {
    let latency = |name: &str, what: &str, share: Share, goal: Option<Goal>| {
        let mut peer = latency::<TokioLocal, NoRank<TokioLocal>>(share).peer();
        peer.required = goal;
        Metric {
            name: name.into(),
            about: format!(
                "Thread-CPU time from a write to the poll of the urgent task that waits for it, \
                 among {BACKGROUND} tasks that are always ready, with polls of 20 us: {what}."
            ),
            unit: "message",
            cost: Cost::Cpu,
            amount: Amount::Fixed { units: MESSAGES, smoke: 5 },
            named_only: false,
            baseline: None,
            ours: latency::<Evented, Ranked>(share),
            peers: vec![peer, latency::<Evented, NoRank<Evented>>(share).peer()],
        }
    };
    let rest = Metric {
        name: "priority.rest".into(),
        about: "What that costs the others: processor time for each background poll, which is \
                20 us by itself, while the urgent task gets its messages."
            .into(),
        unit: "poll",
        cost: Cost::Cpu,
        amount: Amount::Fixed { units: POLLS, smoke: 500 },
        named_only: false,
        baseline: None,
        ours: rest::<Evented, Ranked>(),
        peers: vec![
            rest::<TokioLocal, NoRank<TokioLocal>>().peer().required(Goal::RatioAtMost(1.02)),
            rest::<Evented, NoRank<Evented>>().peer().required(Goal::RatioAtMost(1.02)),
        ],
    };
    let twentieth = Some(Goal::RatioAtMost(0.05));
    [
        latency("priority.p50", "the median", Share::Half, None),
        latency("priority.p99", "the 99th percentile", Share::Most, twentieth),
        rest,
    ]
}

/// Which latency counts.
#[derive(Clone, Copy, Debug)]
enum Share {
    /// The median.
    Half,
    /// The 99th percentile.
    Most,
}

/// How the two kinds of tasks are spawned.
trait Ranks<L: Local> {
    /// What the contender is called.
    const NAME: &'static str;

    /// Spawns the urgent task.
    fn urgent(future: impl Future<Output = ()> + 'static) -> impl Future;

    /// Spawns one of the others.
    fn background(future: impl Future<Output = ()> + 'static) -> impl Future;
}

/// Ours, with two classes of different rank.
struct Ranked;

impl Ranks<Evented> for Ranked {
    const NAME: &'static str = "evented";

    fn urgent(future: impl Future<Output = ()> + 'static) -> impl Future {
        evented::spawn_with(evented::Spawn::new().class(evented::Class::RT), future)
    }

    fn background(future: impl Future<Output = ()> + 'static) -> impl Future {
        evented::spawn_with(evented::Spawn::new().class(evented::Class::BATCH), future)
    }
}

/// All tasks are alike: tokio has nothing else, and ours shows what its ranks are worth.
struct NoRank<L>(std::marker::PhantomData<L>);

impl Ranks<TokioLocal> for NoRank<TokioLocal> {
    const NAME: &'static str = "tokio-local";

    fn urgent(future: impl Future<Output = ()> + 'static) -> impl Future {
        TokioLocal::spawn_local(future)
    }

    fn background(future: impl Future<Output = ()> + 'static) -> impl Future {
        TokioLocal::spawn_local(future)
    }
}

impl Ranks<Evented> for NoRank<Evented> {
    const NAME: &'static str = "evented-alike";

    fn urgent(future: impl Future<Output = ()> + 'static) -> impl Future {
        Evented::spawn_local(future)
    }

    fn background(future: impl Future<Output = ()> + 'static) -> impl Future {
        Evented::spawn_local(future)
    }
}

/// What the tasks of a sample share.
struct Experiment {
    /// Where messages are written.
    writer: UnixStream,
    /// When the last one was.
    written_ns: Cell<u64>,
    /// It has not been read yet.
    is_pending: Cell<bool>,
    /// Polls of background tasks so far.
    polls: Cell<u64>,
    /// After so many, they end.
    last_poll: u64,
    /// After so many messages, all end.
    last_message: usize,
    /// What messages have taken, in nanoseconds.
    latencies: RefCell<Vec<u64>>,
}

impl Experiment {
    /// Whether it is over.
    fn is_over(&self) -> bool {
        self.polls.get() >= self.last_poll || self.latencies.borrow().len() >= self.last_message
    }

    /// A poll of a background task: 20 us of work, with a message in the middle of one in [`EACH`].
    fn work(&self) {
        let begin = thread_cpu_ns();
        let poll = self.polls.get();
        self.polls.set(poll + 1);
        let mut at = u64::MAX;
        if poll.is_multiple_of(EACH) && !self.is_pending.get() {
            // Anywhere in the poll: Knuth's multiplicative hashing.
            at = begin + (poll.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % POLL_NS;
        }
        loop {
            let now = thread_cpu_ns();
            if now >= at {
                at = u64::MAX;
                self.is_pending.set(true);
                self.written_ns.set(thread_cpu_ns());
                (&self.writer).write_all(&[1]).expect("there is room for a byte");
            }
            if now >= begin + POLL_NS {
                return;
            }
        }
    }

    /// A message has come.
    fn read(&self) {
        self.latencies.borrow_mut().push(thread_cpu_ns() - self.written_ns.get());
        self.is_pending.set(false);
    }
}

/// Works for 20 us in each poll until the experiment is over.
struct Background {
    /// What it is a part of.
    experiment: Rc<Experiment>,
}

impl Future for Background {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.experiment.is_over() {
            return Poll::Ready(());
        }
        self.experiment.work();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Runs it until there were so many polls or messages; what it found, and what that took.
fn run<L: Local + Sockets, R: Ranks<L>>(polls: u64, messages: usize) -> (Rc<Experiment>, Times) {
    let (writer, reader) = pairs(1).pop().expect("it is one");
    let experiment = Rc::new(Experiment {
        writer,
        written_ns: Cell::new(0),
        is_pending: Cell::new(false),
        polls: Cell::new(0),
        last_poll: polls,
        last_message: messages,
        latencies: RefCell::default(),
    });
    let shared = Rc::clone(&experiment);
    let times = L::run(async move {
        let mut stream = L::stream(reader);
        let urgent = R::urgent({
            let experiment = Rc::clone(&shared);
            async move {
                let mut buffer = [0; 8];
                while let Ok(1..) = sockets::read::<L>(&mut stream, &mut buffer).await {
                    experiment.read();
                    if experiment.is_over() {
                        return;
                    }
                }
            }
        });
        let watch = Stopwatch::start();
        let background = |_| R::background(Background { experiment: Rc::clone(&shared) });
        let background: Vec<_> = (0..BACKGROUND).map(background).collect();
        for task in background {
            task.await;
        }
        let times = watch.stop();
        // Its socket may be silent for ever.
        drop(urgent);
        times
    });
    (experiment, times)
}

/// The latency of messages, as if each had taken as long as this share of them at most.
fn latency<L: Local + Sockets, R: Ranks<L> + 'static>(share: Share) -> Contender {
    Contender::new(R::NAME, move |units| {
        let messages = usize::try_from(units).expect("they are few");
        let (experiment, times) = run::<L, R>(u64::MAX, messages);
        let mut latencies = experiment.latencies.take();
        latencies.sort_unstable();
        let found = latencies.len();
        let last = found.checked_sub(1).expect("a message came");
        let place = match share {
            Share::Half => last / 2,
            Share::Most => last - last / 100,
        };
        let times = Times { cpu_ns: latencies[place] * units, ..times };
        Sample::new(units, times, Tally::of_count(found as u64), Tally::of_count(units))
    })
}

/// What background polls cost.
fn rest<L: Local + Sockets, R: Ranks<L> + 'static>() -> Contender {
    Contender::new(R::NAME, |units| {
        let (experiment, times) = run::<L, R>(units, usize::MAX);
        let written = units.div_ceil(EACH);
        let read = experiment.latencies.borrow().len() as u64;
        let mut sample = Sample::new(
            units,
            times,
            Tally::of_count(experiment.polls.get()),
            Tally::of_count(units),
        );
        // The last one may be on its way.
        if read + 1 < written {
            sample.problem = Some(format!("of {written} messages {read} came"));
        }
        sample
    })
}
