//! A flag that processes wait for.
//!
//! Flag and number of settings are one word, the monitor's epoch: bit 0 is the flag, the rest
//! counts how often it was set when it was not. Who waits notes the count and is released when it
//! has changed; looking at the flag would not do, as it may be cleared again. To set it is to add
//! 3 (one more setting, and the flag), which the kernel does together with the wake-up.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::monitor::{Kind, Monitor, deadline_ns};

/// The flag.
const SET: u32 = 1;

/// Counts a setting and sets the flag.
const SETTING: u16 = 3;

/// A flag between processes that is set and cleared, and that they wait for.
///
/// A clone is another handle of the same event. A handle may be passed to a call, as the argument
/// or anywhere inside of it; serialising it elsewhere is an error.
///
/// [`set`](Event::set) releases everyone who waits at that moment, even if the event is cleared
/// before they run. A process that is killed inside of any of these methods harms nobody.
///
/// ```
/// let stop = processes::Event::new()?;
/// let rounds = |stop: processes::Event| {
///     let mut rounds = 0_u64;
///     while !stop.is_set() {
///         rounds += 1;
///     }
///     rounds
/// };
/// let worker = processes::spawn(rounds, stop.clone())?;
/// stop.set();
/// worker.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **Not** guaranteed: that a wait without a limit ends when the process that was to set the event
/// is killed before it does; only the caller of that process, whose `join` fails, can tell.
#[derive(Clone)]
pub struct Event {
    /// The flag, in the epoch.
    monitor: Monitor,
}

impl Event {
    /// An event that is not set.
    ///
    /// # Errors
    /// No descriptors or memory are left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { monitor: Monitor::create(Kind::Event, 0)? })
    }

    /// Sets the flag and releases everyone who waits.
    pub fn set(&self) {
        let _held = self.monitor.lock();
        if !self.is_set() {
            self.monitor.ring(SETTING);
        }
    }

    /// Clears the flag: later waits block. Those released before are not held up.
    pub fn clear(&self) {
        let _held = self.monitor.lock();
        if self.is_set() {
            self.monitor.retract(SET);
        }
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.monitor.epoch() & SET != 0
    }

    /// Waits until the flag is set; returns at once if it is.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Waits until the flag is set (true), but not longer than `limit` (false).
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        self.wait_until(deadline_ns(limit))
    }

    /// The one way to wait. False when `deadline_ns` has passed.
    fn wait_until(&self, deadline_ns: Option<u64>) -> bool {
        let before = self.monitor.epoch();
        let mut now = before;
        while now & SET == 0 && now == before {
            let in_time = self.monitor.sleep(before, deadline_ns);
            now = self.monitor.epoch();
            if !in_time && now == before {
                return false;
            }
        }
        true
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.monitor.serialize(serializer)
    }
}

/// Works only inside the argument of a call; an error elsewhere.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { monitor: Monitor::deserialize(Kind::Event, deserializer)? })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish()
    }
}
