//! What several tests need.

use std::process::Stdio;
use std::time::{Duration, Instant};

use processes::Queue;

/// Anything that takes longer is taken for a hang.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// `usual`, or `long` rounds with `TRIPTYCH_LONG=1`, which `cargo xtask verify` sets.
pub(crate) fn rounds(usual: u32, long: u32) -> u32 {
    if std::env::var_os("TRIPTYCH_LONG").is_some_and(|value| value == "1") { long } else { usual }
}

/// Says that a test is skipped because something is not there; fails where that is required:
/// `TRIPTYCH_REQUIRE` names `tools`, programs that `.ci/run` installs, and `machines`, the right to make
/// namespaces. `cargo xtask ci` sets it, so that the gate does not pass by skipping.
pub(crate) fn skip(what: &str, why: &str) {
    eprintln!("{}", skipped(std::env::var("TRIPTYCH_REQUIRE").ok().as_deref(), what, why));
}

/// What is said about a skipped test where this is required.
///
/// # Panics
/// What is missing is required.
pub(crate) fn skipped(required: Option<&str>, what: &str, why: &str) -> String {
    let is_required = required.is_some_and(|all| all.split(',').any(|name| name == what));
    assert!(!is_required, "{what} are required: {why}");
    format!("skipped: {why}")
}

#[test]
#[should_panic(expected = "machines are required: they are not there")]
fn what_is_required_is_not_skipped() {
    for required in [None, Some(""), Some("tools")] {
        assert_eq!(skipped(required, "machines", "no"), "skipped: no");
    }
    let _said = skipped(Some("tools,machines"), "machines", "they are not there");
}

/// True where AddressSanitizer watches, which has terabytes of addresses reserved: then they cannot be
/// limited; it also reports what leaks on purpose. Says that `what` is skipped.
pub(crate) fn is_sanitized(what: &str) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size_kb: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
    let sanitized = size_kb > 1 << 30;
    if sanitized {
        eprintln!("skipped: {what} under AddressSanitizer");
    }
    sanitized
}

/// Waits until `condition` holds; fails with `what` after [`BOUND`].
#[expect(clippy::disallowed_methods, reason = "polls a condition of another process")]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "still waiting: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A call that says that it runs, then waits to be let through.
pub(crate) fn gated((entered, gate): (Queue<u32>, Queue<u32>)) -> u32 {
    entered.put(std::process::id()).unwrap();
    gate.get().unwrap()
}

/// The two queues of a [`gated`] call.
pub(crate) fn gates() -> (Queue<u32>, Queue<u32>) {
    (Queue::bounded(64).unwrap(), Queue::bounded(64).unwrap())
}

/// Takes a value that must come soon.
pub(crate) fn soon(queue: &Queue<u32>) -> u32 {
    queue.get_timeout(BOUND).unwrap()
}

/// The processes whose parent is this one, zombies included.
pub(crate) fn children() -> Vec<u32> {
    children_of(std::process::id())
}

/// The processes whose parent is that one, zombies included.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| parent_of(pid) == Some(parent)).collect()
}

/// The parent of a process.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; the fields after it are state, parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The letter for a process's state, see proc(5); empty when there is no such process.
pub(crate) fn state_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    state.unwrap_or_default().to_owned()
}

/// True while a process exists and is not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    !matches!(state_of(pid).as_str(), "" | "Z" | "X")
}

/// How many descriptors this process has.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Sends SIGKILL.
pub(crate) fn kill(pid: u32) {
    signal(pid, "-KILL");
}

/// Sends a signal, to a process that may be gone.
pub(crate) fn signal(pid: u32, which: &str) {
    let mut tool = std::process::Command::new("kill");
    let sent = tool.args([which, &pid.to_string()]).stderr(Stdio::null()).status();
    assert!(sent.is_ok(), "the tool `kill` is needed");
}

/// A worker stopped by SIGSTOP; it goes on when this is dropped, also when the test fails: its
/// pool could not end otherwise.
pub(crate) struct Stopped(u32);

impl Stopped {
    /// Stops a process.
    pub(crate) fn new(pid: u32) -> Self {
        signal(pid, "-STOP");
        let stopped = Self(pid);
        wait_until("it is stopped", || state_of(pid) == "T");
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}

/// Sends one thing and receives another.
struct Disguise<T, U>(T, std::marker::PhantomData<U>);

impl<T: serde::Serialize, U> serde::Serialize for Disguise<T, U> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T, U: serde::Deserialize<'de>> serde::Deserialize<'de> for Disguise<T, U> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        U::deserialize(deserializer)?;
        panic!("one thing was taken for another");
    }
}

/// What a worker says about a `T` that it is to take for a `U`.
pub(crate) fn mistaken<T, U>(value: T) -> String
where
    T: serde::Serialize + 'static,
    U: serde::de::DeserializeOwned + 'static,
{
    let call = processes::spawn(|_: Disguise<T, U>| (), Disguise(value, std::marker::PhantomData))
        .unwrap();
    call.join_timeout(BOUND).expect("it ends").unwrap_err().to_string()
}
