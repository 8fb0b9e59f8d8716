//! Ends a poll at an instant, to the microsecond where the platform can.
//!
//! A poll of mio takes whole milliseconds on Linux (`epoll_wait(2)`), too coarse for latencies of
//! that order. There, a timer descriptor (`timerfd_create(2)`) among the polled ones does it; it is
//! also free of the timer slack that a poll's time limit has. Elsewhere the poll's own limit is
//! used: `kevent(2)` takes nanoseconds.

#[cfg(target_os = "linux")]
pub(crate) use self::descriptor::Alarm;
#[cfg(not(target_os = "linux"))]
pub(crate) use self::limit::Alarm;

/// The alarm as a timer descriptor.
#[cfg(target_os = "linux")]
mod descriptor {
    use std::{
        io,
        os::fd::{AsRawFd as _, OwnedFd},
        time::{Duration, Instant},
    };

    use mio::{Interest, Registry, Token, unix::SourceFd};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// A span of no time; as a timer's value it disarms the timer.
    const NOTHING: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

    /// Wakes a poll at an instant.
    #[derive(Debug)]
    pub(crate) struct Alarm {
        /// Becomes readable when it expires. It is never read: setting it again clears it, and each
        /// expiry is an event of its own with edge-triggered polling.
        timer: OwnedFd,
        /// What the timer is set to, so that it is not set to the same again.
        due: Option<Instant>,
    }

    impl Alarm {
        /// An alarm that is not set and wakes the poll of `registry` with `token`.
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self { timer, due: None })
        }

        /// Wakes the next poll at `due` (if any); what is returned must be its time limit.
        pub(crate) fn set(
            &mut self,
            due: Option<Instant>,
            now: Instant,
        ) -> io::Result<Option<Duration>> {
            if due.is_some_and(|due| due <= now) {
                return Ok(Some(Duration::ZERO));
            }
            if due != self.due {
                let value = match due {
                    Some(due) => Timespec::try_from(due - now).map_err(io::Error::other)?,
                    None => NOTHING,
                };
                let value = Itimerspec { it_interval: NOTHING, it_value: value };
                timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value)?;
                self.due = due;
            }
            Ok(None)
        }
    }
}

/// The alarm as a time limit.
#[cfg(not(target_os = "linux"))]
mod limit {
    use std::{
        io,
        time::{Duration, Instant},
    };

    use mio::{Registry, Token};

    /// Wakes a poll at an instant.
    #[derive(Debug)]
    pub(crate) struct Alarm;

    impl Alarm {
        /// An alarm that is not set; it needs no place among the polled descriptors.
        pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Self> {
            Ok(Self)
        }

        /// Wakes the next poll at `due` (if any); what is returned must be its time limit.
        pub(crate) fn set(
            &mut self,
            due: Option<Instant>,
            now: Instant,
        ) -> io::Result<Option<Duration>> {
            Ok(due.map(|due| due.saturating_duration_since(now)))
        }
    }
}
