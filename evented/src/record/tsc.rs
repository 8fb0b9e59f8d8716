//! The processor's time-stamp counter.
//!
//! This is one of the crate's few files with unsafe code: it reads that counter, in a third of the time
//! that asking the system takes.

use std::sync::OnceLock;

/// Whether the counter runs at one rate on all processors, whatever they do. The kernel tests that
/// as long as it keeps time by it, and turns to another clock when it is not so.
pub(super) fn is_trusted() -> bool {
    static TRUSTED: OnceLock<bool> = OnceLock::new();
    *TRUSTED.get_or_init(|| {
        const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
        std::fs::read_to_string(SOURCE).is_ok_and(|text| text.trim() == "tsc")
    })
}

#[inline]
pub(super) fn read() -> u64 {
    // SAFETY: `_rdtsc` asks only that the processor has the instruction, and every x86-64 has. A
    // system may forbid it; then it would not be the kernel's clock, see `is_trusted`.
    unsafe { core::arch::x86_64::_rdtsc() }
}
