//! What tests have the system do to a process.

/// A resource of which a process can be given a limited amount, by the number that the kernel has for
/// it.
#[derive(Clone, Copy)]
pub(crate) enum Resource {
    /// The size of a file, also of one in memory.
    FileSize = 1,
    /// The size of the stack.
    Stack = 3,
    /// The highest descriptor.
    Descriptors = 7,
    /// The size of the address space.
    Addresses = 9,
}

/// Sets this process's limit, which can be raised again.
pub(crate) fn limit(resource: Resource, amount: u64) {
    unsafe extern "C" {
        fn getrlimit(resource: i32, limit: *mut [u64; 2]) -> i32;
        fn setrlimit(resource: i32, limit: *const [u64; 2]) -> i32;
    }
    let mut limits = [0; 2];
    // SAFETY: two 64-bit numbers are a `struct rlimit`.
    assert_eq!(unsafe { getrlimit(resource as i32, &raw mut limits) }, 0);
    limits[0] = amount.min(limits[1]);
    // SAFETY: as above.
    assert_eq!(unsafe { setrlimit(resource as i32, &raw const limits) }, 0);
}

/// Has a signal of this number ignored.
pub(crate) fn ignore(number: i32) {
    // SIG_IGN.
    dispose(number, 1);
}

/// Undoes [`ignore`].
pub(crate) fn heed(number: i32) {
    // SIG_DFL.
    dispose(number, 0);
}

/// Sets what happens at a signal; 0 and 1 are no handlers.
fn dispose(number: i32, disposition: usize) {
    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }
    assert!(disposition < 2);
    // SAFETY: below 2 are SIG_DFL and SIG_IGN; no handler is installed.
    assert_ne!(unsafe { signal(number, disposition) }, usize::MAX);
}

/// Sends SIGKILL, without a tool: that would need descriptors.
pub(crate) fn kill_at_once(pid: u32) {
    unsafe extern "C" {
        fn kill(pid: i32, signal: i32) -> i32;
    }
    // SAFETY: any numbers are allowed; 9 is SIGKILL.
    assert_eq!(unsafe { kill(i32::try_from(pid).unwrap(), 9) }, 0);
}
