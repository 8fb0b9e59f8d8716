//! The files that may contain unsafe code: everything else is built on them.

/// A file with unsafe code, and why it needs some.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnsafeFile {
    /// Where it lies.
    pub(super) path: &'static str,
    /// What it does that cannot be done without; it reads after "because it".
    pub(super) reason: &'static str,
}

/// All of them, by path.
pub(super) const UNSAFE_FILES: &[UnsafeFile] = &[
    UnsafeFile {
        path: "common/src/body/fault.rs",
        reason: "crashes on purpose: the segmentation fault of fault.matrix is work under test",
    },
    UnsafeFile {
        path: "docs/swap.rs",
        reason: "shows what becomes of a segmentation fault in a thread and in a process",
    },
    UnsafeFile {
        path: "evented/src/chunks.rs",
        reason: "finds an element of the task slab without checks, three times for each poll",
    },
    UnsafeFile {
        path: "evented/src/current/pointer.rs",
        reason: "finds the reactor of this thread with one load, for each wake",
    },
    UnsafeFile { path: "evented/src/record/mapping.rs", reason: "owns the mappings of records" },
    UnsafeFile {
        path: "evented/src/record/tsc.rs",
        reason: "reads the time-stamp counter, as asking the system takes three times as long",
    },
    UnsafeFile {
        path: "evented/src/waker.rs",
        reason: "makes wakers that are names and own nothing, which needs a RawWaker",
    },
    UnsafeFile {
        path: "processes/src/arena/memory.rs",
        reason: "reads and writes shared memory through pointers",
    },
    UnsafeFile {
        path: "processes/src/array.rs",
        reason: "reaches values in shared memory through a pointer",
    },
    UnsafeFile {
        path: "processes/src/atomics.rs",
        reason: "reaches atomics in shared memory through a pointer",
    },
    UnsafeFile {
        path: "processes/src/call/code.rs",
        reason: "turns checked offsets back into functions",
    },
    UnsafeFile {
        path: "processes/src/call/post.rs",
        reason: "turns checked offsets back into handlers of actors",
    },
    UnsafeFile {
        path: "processes/src/chaos/trouble.rs",
        reason: "has a signal ignored, in tests that take memory away",
    },
    UnsafeFile {
        path: "processes/src/forks.rs",
        reason: "has the C library tell it of forks, as asking the system takes longer than what it is for",
    },
    UnsafeFile {
        path: "processes/src/frozen.rs",
        reason: "makes a slice of shared memory that is sealed",
    },
    UnsafeFile {
        path: "processes/src/image.rs",
        reason: "reads the program headers to find what is executable",
    },
    UnsafeFile {
        path: "processes/src/lock.rs",
        reason: "reaches a value in shared memory through a pointer",
    },
    UnsafeFile {
        path: "processes/src/results.rs",
        reason: "copies results in and out of shared memory",
    },
    UnsafeFile {
        path: "processes/src/ring/bytes.rs",
        reason: "copies messages in and out of shared memory",
    },
    UnsafeFile {
        path: "processes/src/robust.rs",
        reason: "calls pthreads: only they survive the death of a mutex's owner",
    },
    UnsafeFile {
        path: "processes/src/segment/mod.rs",
        reason: "owns the mappings of shared memory",
    },
    UnsafeFile {
        path: "processes/src/segment/sealed.rs",
        reason: "owns the mappings of what nobody can change any more",
    },
    UnsafeFile {
        path: "processes/src/worker/mod.rs",
        reason: "changes the environment and the disposition of a signal before there are threads",
    },
    UnsafeFile {
        path: "processes/src/worker/watchdog.rs",
        reason: "calls _exit, which runs nothing else, and fcntl, for what no library offers",
    },
    UnsafeFile {
        path: "processes/src/zeros.rs",
        reason: "asks the allocator for zeros, or for an answer when it has none",
    },
    UnsafeFile {
        path: "processes/tests/it/faults/crashes.rs",
        reason: "crashes on purpose: what becomes of such a call is under test",
    },
    UnsafeFile {
        path: "processes/tests/it/faults/system.rs",
        reason: "limits, ignored signals and kills for tests, by libc, as a tool would need descriptors",
    },
    UnsafeFile {
        path: "processes/tests/it/payload/forked.rs",
        reason: "forks: what a forked child drops must be of no consequence for its parent",
    },
    UnsafeFile {
        path: "processes/tests/it/shutdown.rs",
        reason: "hangs in an exit handler on purpose: what becomes of such a worker is under test",
    },
    UnsafeFile {
        path: "threads/src/fork/branch.rs",
        reason: "lets other threads reach a closure in a stack frame that waits for them",
    },
    UnsafeFile {
        path: "threads/src/fork/context.rs",
        reason: "finds the context of a thread without a lock or a count",
    },
    UnsafeFile {
        path: "threads/src/fork/forked.rs",
        reason: "runs what lies in the frames of those who wait",
    },
    UnsafeFile {
        path: "threads/src/fork/node.rs",
        reason: "follows pointers to the frames of those who wait",
    },
    UnsafeFile {
        path: "threads/src/fork/scope.rs",
        reason: "lets closures borrow from a frame that waits for them",
    },
    UnsafeFile { path: "threads/src/fork/stack.rs", reason: "gives branches to others" },
    UnsafeFile { path: "threads/src/fork/task.rs", reason: "recycles the memory of closures" },
    UnsafeFile {
        path: "threads/src/queue/ring.rs",
        reason: "moves values in and out of places that belong to the thread whose turn it is",
    },
    UnsafeFile {
        path: "threads/src/slices/merge.rs",
        reason: "moves values to where their order is known, without a place in between",
    },
    UnsafeFile {
        path: "threads/src/slices/output.rs",
        reason: "writes results where they stay: std has no vector that several threads fill",
    },
    UnsafeFile {
        path: "threads/src/slices/stable.rs",
        reason: "moves values between the slice it sorts and a buffer",
    },
    UnsafeFile {
        path: "threads/tests/loom/fork.rs",
        reason: "shares cells whose accesses loom checks",
    },
    UnsafeFile {
        path: "xtask/src/measure/clock.rs",
        reason: "reads the processor clock of another process, which no library offers",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_gives_reasons() {
        assert!(UNSAFE_FILES.is_sorted_by(|a, b| a.path < b.path));
        assert!(UNSAFE_FILES.iter().all(|file| file.reason.len() > 10));
    }
}
