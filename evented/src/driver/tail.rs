//! Sleeps that do not end on a whole millisecond.
//!
//! mio hands timeouts to `epoll_wait`, which counts in milliseconds, and rounds them up. On Linux the
//! last part of a sleep is therefore measured by a timerfd in the poll set. The far part stays with
//! `epoll_wait`, so that a reactor whose nearest deadline is seconds away never touches the timerfd.
//! Elsewhere (kqueue) the system takes nanoseconds and there is nothing to do.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::Tail;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use other::Tail;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// Sleeps shorter than this are the timerfd's.
    const SHORT: Duration = Duration::from_millis(2);

    /// A timerfd in the poll set.
    #[derive(Debug)]
    pub(crate) struct Tail {
        /// Never read: registered edge-triggered, each expiry is one event.
        timer: OwnedFd,
    }

    impl Tail {
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self { timer })
        }

        /// The timeout to poll with in order to sleep for `duration`.
        pub(crate) fn timeout(&self, duration: Duration) -> io::Result<Option<Duration>> {
            if duration >= SHORT {
                // Wakes up before the deadline; the reactor comes back for the rest.
                return Ok(Some(Duration::from_millis(whole_millis(duration) - 1)));
            }
            self.set(duration.max(Duration::from_nanos(1)))?;
            Ok(None)
        }

        /// The poll set is ready after this time; never, without one. For somebody else who waits for it.
        pub(crate) fn alarm(&self, after: Option<Duration>) -> io::Result<()> {
            self.set(after.map_or(Duration::ZERO, |after| after.max(Duration::from_nanos(1))))
        }

        /// Whether there is such a thing.
        #[expect(clippy::unnecessary_wraps, reason = "on other systems there is not")]
        pub(crate) fn check_alarm() -> io::Result<()> {
            Ok(())
        }

        /// Sets the timer; zero stops it.
        fn set(&self, after: Duration) -> io::Result<()> {
            let value = Timespec {
                // A century is enough for every timer there is.
                tv_sec: after.as_secs().min(100 * 366 * 24 * 3600).cast_signed(),
                tv_nsec: after.subsec_nanos().into(),
            };
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let once = Itimerspec { it_interval: zero, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            Ok(())
        }
    }

    /// Whole milliseconds, at most a day: the reactor comes back for the rest.
    fn whole_millis(duration: Duration) -> u64 {
        const DAY: Duration = Duration::from_hours(24);
        u64::try_from(duration.min(DAY).as_millis()).expect("a day in milliseconds fits")
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    /// Nothing to do on systems whose poll takes nanoseconds.
    #[derive(Debug)]
    pub(crate) struct Tail;

    impl Tail {
        #[expect(clippy::unnecessary_wraps, reason = "the Linux version can fail")]
        pub(crate) fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
            Ok(Self)
        }

        /// The timeout to poll with in order to sleep for `duration`.
        #[expect(clippy::unnecessary_wraps, reason = "the Linux version can fail")]
        pub(crate) fn timeout(&self, duration: Duration) -> io::Result<Option<Duration>> {
            Ok(Some(duration))
        }

        /// Nobody waits for it, see `check_alarm`.
        #[expect(clippy::unnecessary_wraps, reason = "the Linux version can fail")]
        pub(crate) fn alarm(&self, _after: Option<Duration>) -> io::Result<()> {
            Ok(())
        }

        /// There is no timer in the poll set.
        pub(crate) fn check_alarm() -> io::Result<()> {
            let text = "only on Linux a reactor has a descriptor that tells of its timers";
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
    }
}
