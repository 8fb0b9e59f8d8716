//! What the supervisor sleeps on: a bell, and descriptors of workers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::clock;
use crate::segment::{self, Listener};

use super::process::Process;
use super::seat::Seat;

/// What wakes the supervisor.
#[derive(Debug)]
pub(super) struct Alarm {
    /// Watches the bell, the workers' process descriptors and the sockets of starting workers.
    epoll: OwnedFd,
    /// An eventfd.
    bell: OwnedFd,
    /// Set when memory was dropped that workers have as well.
    farewell: AtomicBool,
}

/// What an event is about; the lowest bits of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Somebody rang.
    Bell = 0,
    /// A worker died.
    Death = 1,
    /// A starting worker said something, or the full socket of a ready one has room again.
    Control = 2,
    /// A worker wrote to its standard error.
    Stderr = 3,
}

impl Alarm {
    /// An alarm with its bell, which also rings when memory is dropped that workers have as well.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, number(Topic::Bell, 0, 0), EventFlags::IN)?;
        let alarm = Arc::new(Self { epoll, bell, farewell: AtomicBool::new(false) });
        let listener: Arc<dyn Listener> = Arc::<Self>::clone(&alarm);
        segment::listen(Arc::downgrade(&listener));
        Ok(alarm)
    }

    /// Whether memory was dropped since that workers have as well.
    pub(super) fn takes_farewell(&self) -> bool {
        self.farewell.load(Ordering::Relaxed) && self.farewell.swap(false, Ordering::Acquire)
    }

    /// Wakes the supervisor.
    pub(super) fn ring(&self) {
        // It fails only when the counter is full, and then it is ringing already.
        let _full = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Watches a worker that was just started.
    ///
    /// # Errors
    /// The kernel's limit of watches is reached.
    pub(super) fn watch(&self, seat: usize, generation: u32, process: &Process) -> io::Result<()> {
        let death = number(Topic::Death, seat, generation);
        epoll::add(&self.epoll, &process.pidfd, death, EventFlags::IN)?;
        let control = number(Topic::Control, seat, generation);
        epoll::add(&self.epoll, &process.control, control, EventFlags::IN)?;
        if let Some(tail) = &process.tail {
            let stderr = number(Topic::Stderr, seat, generation);
            epoll::add(&self.epoll, tail, stderr, EventFlags::IN)?;
        }
        Ok(())
    }

    /// Wakes the supervisor once when the full control socket of a ready worker has room again.
    pub(super) fn watch_room(&self, index: usize, seat: &Seat) {
        let Some(process) = &seat.process else { return };
        let number = number(Topic::Control, index, seat.generation);
        let once = EventFlags::OUT | EventFlags::ONESHOT;
        let watched = match epoll::add(&self.epoll, &process.control, number, once) {
            Err(Errno::EXIST) => epoll::modify(&self.epoll, &process.control, number, once),
            other => other,
        };
        if watched.is_err() {
            // The kernel has no memory for a watch: let the supervisor look now.
            self.ring();
        }
    }

    /// Stops watching a descriptor.
    pub(super) fn unwatch(&self, descriptor: impl AsFd) {
        // It fails only for a descriptor that is not watched.
        let _unwatched = epoll::delete(&self.epoll, descriptor);
    }

    /// Waits for events until `deadline_ns`.
    pub(super) fn wait(&self, deadline_ns: Option<u64>) -> Vec<Event> {
        let mut events = Vec::with_capacity(32);
        let timeout = deadline_ns
            .map(|deadline| clock::timespec(clock::left(deadline).unwrap_or(Duration::ZERO)));
        match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
            // Interrupted: the caller looks at everything that may be due and comes back.
            Ok(_) | Err(_) => {}
        }
        events
    }

    /// Empties the bell.
    pub(super) fn hush(&self) {
        let mut count = [0_u8; 8];
        let _empty = rustix::io::read(&self.bell, &mut count);
    }
}

impl Listener for Alarm {
    fn memory_is_gone(&self) {
        self.farewell.store(true, Ordering::Release);
        self.ring();
    }
}

/// An event's number: generation, seat, topic.
fn number(topic: Topic, seat: usize, generation: u32) -> EventData {
    let seat = u64::try_from(seat).expect("an index fits into 64 bits");
    EventData::new_u64(u64::from(generation) << 32 | (seat << 2 | topic as u64) & 0xffff_ffff)
}

/// Takes an event's number apart.
pub(super) fn meaning(event: &Event) -> (Topic, usize, u32) {
    let data = event.data;
    let number = data.u64();
    let topic = match number & 3 {
        1 => Topic::Death,
        2 => Topic::Control,
        3 => Topic::Stderr,
        _ => Topic::Bell,
    };
    let seat = usize::try_from((number & 0xffff_ffff) >> 2).expect("30 bits fit into an index");
    (topic, seat, u32::try_from(number >> 32).expect("32 bits remain"))
}
