//! What a lane costs and what disturbed it, seen from outside the lane.
//!
//! Everything is read about *other* processes, so that lanes of any runtime and any language are
//! measured by the same code and none has to be trusted. The unit is the tree of a lane host
//! ([`Tree`]): the host and whatever it started.
//!
//! Every counter is an `Option`, and `None` means *not measured*, never zero. On Linux the figures
//! come from `/proc` and the cgroup file system, and a file that is not there means "not measured":
//! on another platform none of them is there, everything here is `None`, and what has to act
//! ([`become_subreaper`], [`reset_high_water`]) returns an error.

mod cgroup;
mod clock;
mod cpu;
mod environment;
mod limits;
mod memory;
mod noise;
mod orphans;
mod peak;
mod procfs;
mod switches;
mod tree;

#[cfg(all(test, target_os = "linux"))]
mod fixture;

pub use rustix::process::Pid;

pub use cpu::{CpuSnapshot, CpuUsage, Stability, children_cpu};
pub use environment::{Environment, Machine};
pub use limits::Limits;
pub use memory::{Memory, reset_high_water};
pub use noise::{HostNoise, NoiseProbe};
pub use orphans::{Reaped, become_subreaper, orphans, reap_orphans};
pub use peak::{Peak, PeakSampler};
pub use switches::{SwitchSnapshot, Switches};
pub use tree::{Process, Tree};
