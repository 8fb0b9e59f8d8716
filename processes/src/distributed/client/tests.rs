//! Clients whose thread fails, with a broker: defects that have to be planted inside of it.

use std::path::Path;
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::JoinHandle;
use crate::engine::Engine;

/// Everything comes within this time, on a machine that has much to do.
const BOUND: Duration = Duration::from_mins(1);

crate::task! {
    fn unserved(x: u64) -> u64 {
        x
    }
}

/// A broker that ends with this process.
struct Broker {
    /// A shell, which ends it when its input does.
    shell: Child,
    /// Its files.
    dir: tempfile::TempDir,
}

impl Broker {
    /// None where there is no such program, which is said.
    fn start() -> Option<Self> {
        if Program::new("nats-server").arg("--version").output().is_err() {
            let required = std::env::var("TRIPTYCH_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|what| what == "tools"), "there is no nats-server");
            eprintln!("skipped: there is no nats-server (`apt-get install nats-server`)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut shell = Program::new("sh");
        let script = r#"exec 3<&0; "$@" 3<&- </dev/null & read -r _ <&3; kill -9 $!; wait"#;
        shell.args(["-c", script, "sh", "nats-server", "-js", "-a", "127.0.0.1", "-p", "-1"]);
        shell.arg("-sd").arg(dir.path().join("store")).arg("--ports_file_dir").arg(dir.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(Self { shell: shell.spawn().unwrap(), dir })
    }

    /// Its address, once it has written that into a file.
    fn url(&self) -> String {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < BOUND, "the broker does not say where it is");
            if let Some(url) = port_file(self.dir.path()) {
                return url;
            }
            std::thread::yield_now();
        }
    }
}

/// The address in a file that a broker has written.
fn port_file(dir: &Path) -> Option<String> {
    let mut files = std::fs::read_dir(dir).unwrap().flatten().map(|file| file.path());
    let file = files.find(|path| path.extension().is_some_and(|end| end == "ports"))?;
    let text = std::fs::read_to_string(file).ok()?;
    let (_, rest) = text.split_once("nats://")?;
    Some(format!("nats://{}", rest.split_once('"')?.0))
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let (Ok(_) | Err(_)) = self.shell.wait();
    }
}

/// The error of a call that has one.
fn error(call: JoinHandle<u64>) -> JoinError {
    call.join_timeout(BOUND).expect("it resolves").unwrap_err()
}

/// Plants a panic into a client with calls under way, which nobody executes: everything resolves.
fn fails(plant: impl FnOnce(&Remote)) {
    let Some(broker) = Broker::start() else { return };
    let (remote, threads) = Remote::start(Cluster::new(broker.url())).unwrap();
    let pool = Pool::of_engine(Arc::clone(&remote) as _, threads);
    let calls: Vec<_> = (0..10).map(|x| pool.submit(unserved, x)).collect();
    let mut map = pool.map(unserved, 0..100);
    let begun = Instant::now();
    while remote.lock().flights.is_empty() {
        assert!(begun.elapsed() < BOUND, "calls are sent");
        std::thread::yield_now();
    }
    plant(&remote);
    for call in calls {
        let error = error(call);
        assert!(matches!(error, JoinError::NodeLost { .. }), "{error}");
        assert!(error.to_string().contains("panicked: planted"), "{error}");
    }
    assert!(map.next_timeout(BOUND).expect("it resolves").unwrap().is_err());
    assert_eq!(map.filter(Result::is_err).count(), 99);
    let late = error(pool.submit(unserved, 1));
    assert!(late.to_string().contains("panicked: planted"), "{late}");
    assert!(pool.is_closing());
    remote.wait_until_ended();
    drop(pool);
}

#[test]
fn a_task_that_panics_ends_all_calls() {
    fails(|remote| remote.commands.send(Command::Panic).unwrap());
}

#[test]
fn a_thread_that_panics_ends_all_calls() {
    fails(|remote| {
        remote.lock().panics = true;
        remote.work.notify_one();
    });
}
