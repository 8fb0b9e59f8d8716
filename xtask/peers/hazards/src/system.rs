//! What programs ask of the system; where it is not Linux, they do without.

use std::io;

/// Lets this process be killed when the thread that has started it ends: it may hang.
///
/// # Errors
///
/// When the system refuses.
#[cfg(target_os = "linux")]
pub fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Does nothing.
///
/// # Errors
///
/// None.
#[cfg(not(target_os = "linux"))]
pub fn end_with_parent() -> io::Result<()> {
    Ok(())
}

/// Has this thread, and those that it starts, stay on one of its processors.
#[cfg(target_os = "linux")]
pub(crate) fn stay_on_one_core() -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let all = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu));
    let mut one = CpuSet::new();
    one.set(first.expect("a thread has a processor"));
    Ok(sched_setaffinity(None, &one)?)
}

/// Does nothing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stay_on_one_core() -> io::Result<()> {
    Ok(())
}
