//! What a process confines itself to at its start: resource limits, niceness, processors.
//!
//! The parent could only do it by code between `fork` and `exec`, which makes a start many times
//! as slow. So it sends what it wants with the first message, and the new process does it to
//! itself, before any user code runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// A resource of which a process can be given a limited amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// Addresses in use, in bytes. Allocations beyond it fail.
    AddressSpace,
    /// The size of a core dump, in bytes; 0 for none.
    CoreDump,
    /// Processor time, in seconds. Beyond it the process gets SIGXCPU, which ends it.
    CpuTime,
    /// Heap and other writable private memory, in bytes. Allocations beyond it fail.
    Data,
    /// The size of a file that is written, in bytes. Beyond it the process gets SIGXFSZ, which
    /// ends it. Memory that the process shares with others counts as a file, but there it is an
    /// error: of the call whose result is too long (`Encode`), or of what was to be made.
    FileSize,
    /// One more than the highest file descriptor. A worker has about ten of its own.
    OpenFiles,
    /// The stack of the main thread, in bytes, which executes the call.
    Stack,
}

impl Limit {
    /// The kernel's name for it.
    fn resource(self) -> Resource {
        match self {
            Self::AddressSpace => Resource::As,
            Self::CoreDump => Resource::Core,
            Self::CpuTime => Resource::Cpu,
            Self::Data => Resource::Data,
            Self::FileSize => Resource::Fsize,
            Self::OpenFiles => Resource::Nofile,
            Self::Stack => Resource::Stack,
        }
    }
}

/// What a process confines itself to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Confines {
    /// Resources and how much there is of each.
    pub(crate) limits: BTreeMap<Limit, u64>,
    /// How ready it is to let others run: -20 to 19.
    pub(crate) nice: Option<i32>,
    /// The processors it may run on.
    pub(crate) affinity: Option<BTreeSet<usize>>,
}

impl Confines {
    /// Says what can be known beforehand to be impossible.
    ///
    /// # Errors
    /// `InvalidInput`, with what would be possible.
    pub(crate) fn check(&self) -> io::Result<()> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        for (&limit, &amount) in &self.limits {
            if let Some(most) = getrlimit(limit.resource()).maximum.filter(|&most| amount > most) {
                return invalid(format!(
                    "a limit of {amount} for {limit:?} is more than this process may give: {most}"
                ));
            }
        }
        if let Some(nice) = self.nice.filter(|nice| !(-20..=19).contains(nice)) {
            return invalid(format!("a niceness of {nice}: ask for -20 to 19"));
        }
        let Some(processors) = &self.affinity else { return Ok(()) };
        if processors.is_empty() {
            return invalid("no processors to run on: name at least one".to_owned());
        }
        match processors.iter().find(|&&number| number >= CpuSet::MAX_CPU) {
            Some(number) => invalid(format!(
                "processor {number}: their numbers are 0 to {}",
                CpuSet::MAX_CPU - 1
            )),
            None => Ok(()),
        }
    }

    /// Confines the calling process, as long as it has one thread.
    ///
    /// # Errors
    /// A sentence for the parent: the kernel does not allow it.
    pub(crate) fn apply(&self) -> Result<(), String> {
        for (&limit, &amount) in &self.limits {
            let both = Rlimit { current: Some(amount), maximum: Some(amount) };
            setrlimit(limit.resource(), both)
                .map_err(|error| format!("limit {limit:?} to {amount}: {error}"))?;
        }
        if let Some(nice) = self.nice {
            setpriority_process(None, nice)
                .map_err(|error| format!("set the niceness to {nice}: {error}"))?;
        }
        if let Some(processors) = &self.affinity {
            let mut set = CpuSet::new();
            for &number in processors {
                set.set(number);
            }
            sched_setaffinity(None, &set).map_err(|error| {
                format!("run on the processors {processors:?} only: {error}; do they exist?")
            })?;
        }
        Ok(())
    }
}
