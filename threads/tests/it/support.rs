//! Helpers: those of the executor's tests, and values that tell of their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

pub(crate) use crate::executor::shared::support::{Gate, LIMIT, block_on, in_time, rounds, until};

/// Counts its drops.
#[derive(Clone)]
pub(crate) struct Counted(pub(crate) Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Panics when it is dropped.
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

/// Runs the test `name` in a process of its own, for what is a matter of the whole process. In that
/// process it runs `body`.
#[cfg(target_os = "linux")]
pub(crate) fn in_own_process(name: &str, body: impl FnOnce()) {
    const MARK: &str = "THREADS_TEST_IN_OWN_PROCESS";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{name} failed in its own process:\n{text}");
    assert!(text.contains("1 passed"), "no test is called {name}:\n{text}");
}
