//! Computing, but for one task that goes wrong.

use std::{process, ptr, time::Duration};

use crate::{Fault, FaultKind, Io, Output, rng::mix};

use super::{TaskError, spin};

/// The culprit goes wrong; every other task computes.
pub(super) async fn run<I: Io>(
    io: &I,
    task: &Fault,
    seed: u64,
    index: u64,
) -> Result<Output, TaskError> {
    if index == task.culprit {
        go_wrong(task.kind);
    }
    Ok(Output::Word(spin(io, mix(seed ^ index), task.iterations).await))
}

/// Exit code of [`FaultKind::Exit`].
const EXIT_CODE: i32 = 3;

/// No process can have so many bytes, wherever the kernel draws the line for what it promises.
const MORE_THAN_THERE_IS: usize = 1 << 62;

/// Does what `kind` says; returns from none of them.
#[expect(clippy::disallowed_methods, reason = "never ending is the work")]
fn go_wrong(kind: FaultKind) {
    match kind {
        FaultKind::Panic => panic!("the culprit panics, as it was told to"),
        FaultKind::Abort => process::abort(),
        FaultKind::Segfault => write_to_foreign_memory(),
        FaultKind::Exit => process::exit(EXIT_CODE),
        FaultKind::Memory => drop(std::hint::black_box(vec![1_u8; MORE_THAN_THERE_IS])),
        FaultKind::Hang => loop {
            std::thread::sleep(Duration::from_hours(1));
        },
    }
}

/// Writes to an address at which nothing is mapped.
fn write_to_foreign_memory() {
    // SAFETY: deliberately none. The first page is never mapped on the platforms this runs on
    // (vm.mmap_min_addr), so the processor traps and the kernel ends the process with SIGSEGV
    // before anything else can observe the write.
    unsafe { ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
    process::abort();
}
