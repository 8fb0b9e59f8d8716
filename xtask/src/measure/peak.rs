//! The most memory a tree ever held.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use rustix::process::Pid;

use super::{Tree, memory};

/// A thread that reads the proportional set size of a tree again and again and keeps the largest.
/// Stopping or dropping it ends the thread and waits for it.
#[derive(Debug)]
pub struct PeakSampler {
    /// What has been seen so far.
    seen: Arc<Mutex<Peak>>,
    /// Ends the sampling when it is dropped.
    running: Option<Sender<()>>,
    /// The sampling thread, until it has been waited for.
    thread: Option<JoinHandle<()>>,
}

/// What a [`PeakSampler`] saw.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Peak {
    /// The largest sum of proportional set sizes, in bytes; a peak between two samples is missed.
    /// `None` if no sample could be taken.
    pub pss: Option<u64>,
    /// How many samples could be taken.
    pub samples: u64,
}

impl PeakSampler {
    /// Starts sampling the tree of `root`: now, every `interval`, and once more when it is stopped.
    /// A sample costs what [`Memory::of`](super::Memory::of) says; 10 ms and more is a usual
    /// interval.
    ///
    /// # Errors
    ///
    /// No thread could be started.
    pub fn start(root: Pid, interval: Duration) -> io::Result<Self> {
        let (running, stopped) = channel::<()>();
        let seen = Arc::new(Mutex::new(Peak::default()));
        sample(root, &seen);
        let sample_until_stopped = {
            let seen = Arc::clone(&seen);
            move || {
                while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    sample(root, &seen);
                }
                sample(root, &seen);
            }
        };
        let thread = Builder::new().name("peak-sampler".to_owned()).spawn(sample_until_stopped)?;
        Ok(Self { seen, running: Some(running), thread: Some(thread) })
    }

    /// The peak up to now.
    pub fn so_far(&self) -> Peak {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a last sample, ends the thread and returns the peak.
    pub fn stop(mut self) -> Peak {
        self.end();
        self.so_far()
    }

    /// Ends the thread and waits for it, if that has not happened before.
    fn end(&mut self) {
        drop(self.running.take());
        if let Some(thread) = self.thread.take() {
            // A sample does not panic; if it did, what was seen before would still be true.
            let _outcome = thread.join();
        }
    }
}

impl Drop for PeakSampler {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes one sample; the lock is held only to note it down.
fn sample(root: Pid, seen: &Mutex<Peak>) {
    if let Some(pss) = Tree::of(root).and_then(|tree| memory::pss(&tree)) {
        let mut peak = seen.lock().unwrap_or_else(PoisonError::into_inner);
        peak.pss = peak.pss.max(Some(pss));
        peak.samples += 1;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::measure::{
        fixture::{Script, until},
        procfs,
    };

    /// An interval that never ends.
    const NEVER: Duration = Duration::from_secs(100_000);

    /// Fills a variable with 16 MiB, says so, empties it when told to, says so.
    const HOARD: &str = "echo up; read go; hoard=$(head -c 16777216 /dev/zero | tr '\\0' x); \
                         echo full; read go; hoard=; echo empty; read go";

    /// Whether this process has a thread that is sampling.
    fn sampling() -> bool {
        let own = rustix::process::getpid();
        procfs::ids_in(format!("/proc/{own}/task")).into_iter().any(|thread| {
            procfs::read(format!("/proc/{own}/task/{thread}/comm"))
                .is_some_and(|name| name.trim() == "peak-sampler")
        })
    }

    /// One test, because it looks for the thread by its name.
    #[test]
    fn the_peak_outlives_its_memory_and_no_thread_its_sampler() {
        let mut script = Script::start(HOARD);
        script.line("up");
        let sampler = PeakSampler::start(script.pid(), Duration::from_millis(1)).unwrap();
        until("the sampler's thread runs", sampling);
        script.go_on();
        script.line("full");
        script.until("a sample of the full variable", || {
            sampler.so_far().pss.is_some_and(|pss| pss > 16 << 20)
        });
        script.go_on();
        script.line("empty");
        let twice = PeakSampler::start(script.pid(), NEVER).unwrap().stop();
        assert_eq!(twice.samples, 2, "one at the start and one at the end");
        assert!(twice.pss.unwrap() < 16 << 20, "{twice:?}");
        let peak = sampler.stop();
        assert!(peak.samples > 2 && peak.pss.unwrap() > 16 << 20, "{peak:?}");

        let dropped = PeakSampler::start(script.pid(), NEVER).unwrap();
        until("the second sampler's thread runs", sampling);
        drop(dropped);
        assert!(!sampling(), "a stopped or dropped sampler leaves its thread behind");

        let root = script.pid();
        drop(script);
        let nothing = PeakSampler::start(root, Duration::from_millis(1)).unwrap().stop();
        assert_eq!(nothing, Peak { pss: None, samples: 0 });
    }
}
