//! The program of a node: its command line, and how it ends.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use processes::{Cluster, JoinError, JoinHandle, Pool, Process, ProcessBuilder, Queue, node};

use super::raw::{self, Raw};
use super::support::{Broker, LEASE, Marks, Node, connect, mark, until_there};
use super::{marked, processes_sleep};
use crate::examples;
use crate::support::{BOUND, is_alive, signal, soon, wait_until};

/// Longer than a test waits for anything: a call that is left behind for a lease fails it. No longer, for a
/// test that has failed waits for its calls.
const LEASE_SECONDS: &str = "60";

processes::task! {
    /// Marks that it has begun, and waits for a file.
    fn waits((marks, gate): (String, String)) -> u32 {
        mark(&marks, 0);
        until_there(&gate);
        std::os::unix::process::parent_id()
    }
}

processes::task! {
    /// The process of the node.
    fn node_of(_nothing: ()) -> u32 {
        std::os::unix::process::parent_id()
    }
}

processes::task! {
    fn marked_after_a_while((path, number): (String, u64)) -> u64 {
        processes_sleep(2);
        mark(&path, number);
        number
    }
}

/// Becomes a node program with these arguments.
fn program(arguments: Vec<String>) {
    let code = node::main_with(arguments.into_iter().map(OsString::from));
    std::process::exit(i32::from(code));
}

/// A node program; it is killed when this is dropped.
pub(super) struct Program {
    /// Its process.
    process: Process<()>,
    /// What it has said.
    log: PathBuf,
}

impl Program {
    /// Starts one with so many workers, and waits until it serves.
    pub(super) fn start(broker: &Broker, slots: usize, more: &[&str]) -> Self {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = broker.dir().join(format!("node-{number}.log"));
        let (url, slots) = (broker.url(), slots.to_string());
        let arguments = [&[&*url, "--slots", &slots, "--lease", LEASE_SECONDS], more].concat();
        let arguments: Vec<_> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let to = std::fs::File::create(&log).unwrap();
        let process = ProcessBuilder::new().stderr(to).spawn(program, arguments).unwrap();
        let program = Self { process, log };
        program.wait_for(": serves 127.0.0.1:");
        program
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until it has said this.
    fn wait_for(&self, words: &str) {
        wait_until(words, || self.said().contains(words));
    }

    /// What it has said so far.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, which: &str) {
        signal(self.process.pid(), which);
    }

    /// Waits for its end: its exit code, or minus the signal.
    pub(super) fn end(&self) -> i32 {
        assert!(self.process.wait_timeout(BOUND), "it does not end: {}", self.said());
        let status = self.process.exit_status().unwrap();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("a node, {:?}, has said:\n{}", self.process.exit_status(), self.said());
        }
        self.process.kill();
    }
}

/// What a call [`waits`] for, opened at the latest when this is dropped: who waits for the call, as a pool
/// does in the end, has to be dropped later.
struct Gate {
    /// Where calls leave marks.
    marks: Marks,
    /// The file.
    file: PathBuf,
}

impl Gate {
    /// A closed one.
    fn new(broker: &Broker) -> Self {
        Self { marks: Marks::new(broker.dir()), file: broker.dir().join("open") }
    }

    /// Submits a call that waits, and waits until it has begun.
    fn hold(&self, pool: &Pool) -> JoinHandle<u32> {
        let call = pool.submit(waits, (self.marks.path(), self.file.to_str().unwrap().to_owned()));
        self.wait_for(1);
        call
    }

    /// Waits until the call was begun so often.
    fn wait_for(&self, times: usize) {
        wait_until("it has begun", || self.marks.counts(1) == [times]);
    }

    /// Opens it.
    fn open(&self) {
        std::fs::write(&self.file, "").unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

#[test]
fn a_signal_lets_it_finish_what_it_has_begun() {
    for which in ["-TERM", "-INT"] {
        let Some(broker) = Broker::start() else { return };
        // It has room for one more call, and has asked for it.
        let first = Program::start(&broker, 2, &[]);
        let pool = connect(&Cluster::new(broker.url()));
        let gate = Gate::new(&broker);
        let held = gate.hold(&pool);
        first.signal(which);
        first.wait_for("takes no more calls");
        let second = Program::start(&broker, 1, &[]);
        wait_until("the first one counts no more", || pool.workers() == 1);
        let calls: Vec<_> = (0..3).map(|_| pool.submit(node_of, ())).collect();
        for call in calls {
            let by = call.join_timeout(BOUND).expect("it ends").unwrap();
            assert_eq!(by, second.process.pid(), "what comes now is for the other one");
        }
        assert!(!first.process.is_finished() && !held.is_finished(), "{}", first.said());
        gate.open();
        let by = held.join_timeout(BOUND).expect("it ends").unwrap();
        assert_eq!((by, first.end()), (first.process.pid(), 0), "{}", first.said());
        assert!(first.said().contains("ended; all results have arrived"), "{}", first.said());
        assert_eq!((gate.marks.counts(1), pool.stats().lost), (vec![1], 0));
        assert!(second.process.is_alive());
    }
}

#[test]
fn what_cannot_be_kept_for_people_is_said() {
    let Some(broker) = Broker::start() else { return };
    let node = Program::start(&broker, 1, &[]);
    // One of that name, which does not take it.
    broker.remove_stream("triptych-dead");
    wait_until("it is gone", || broker.messages_if_any("dead").is_none());
    broker.make_stream("triptych-dead", "something.else");
    Raw::hearing(&broker, &[]).say("triptych.call", raw::GARBAGE);
    node.wait_for("the call without a name, message 1 of triptych-calls is given up");
    node.wait_for("and cannot be kept in triptych.dead: ");
    wait_until("it does not come back", || broker.messages("calls") == 0);
}

#[test]
fn nodes_that_come_and_go_lose_no_call_and_execute_none_twice() {
    let Some(broker) = Broker::start() else { return };
    let mut nodes = vec![Program::start(&broker, 1, &[]), Program::start(&broker, 1, &[])];
    let (pool, marks) = (connect(&Cluster::new(broker.url())), Marks::new(broker.dir()));
    let calls: Vec<_> =
        (0..900).map(|n| pool.submit(marked_after_a_while, (marks.path(), n))).collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.join_timeout(BOUND).expect("none is left for a lease").unwrap(), n);
        if n % 300 == 150 {
            nodes.push(Program::start(&broker, 1, &[]));
            let old = nodes.remove(0);
            old.signal("-TERM");
            assert_eq!(old.end(), 0, "{}", old.said());
        }
    }
    assert_eq!(marks.counts(900), vec![1; 900]);
    let stats = pool.stats();
    assert_eq!((stats.done, stats.lost), (900, 0));
}

#[test]
fn a_call_that_is_withdrawn_while_its_node_drains_ends_with_its_value() {
    let Some(broker) = Broker::start() else { return };
    let node = Program::start(&broker, 1, &[]);
    let pool = connect(&Cluster::new(broker.url()));
    let gate = Gate::new(&broker);
    let held = gate.hold(&pool);
    node.signal("-TERM");
    node.wait_for("takes no more calls");
    wait_until("it counts no more", || pool.workers() == 0);
    assert!(!held.cancel(), "it runs");
    assert!(!held.wait_timeout(Duration::from_secs(4)), "its node speaks");
    gate.open();
    let by = held.join_timeout(BOUND).expect("it ends").unwrap();
    assert_eq!((by, node.end()), (node.process.pid(), 0), "{}", node.said());
}

processes::task! {
    /// Is this the only one that is executed? Takes much memory, for which a process that is killed takes long
    /// to end, and waits for a file.
    fn exclusive((marks, lock, gate): (String, String, String)) -> bool {
        let lock = std::fs::File::create(lock).unwrap();
        if lock.try_lock().is_err() {
            return false;
        }
        let memory = vec![1_u8; 400 << 20];
        mark(&marks, 0);
        until_there(&gate);
        memory.iter().all(|&byte| byte == 1)
    }
}

#[test]
fn what_is_given_back_is_not_executed_at_the_same_time() {
    let Some(broker) = Broker::start() else { return };
    let first = Program::start(&broker, 1, &["--drain", "0"]);
    let pool = connect(&Cluster::new(broker.url()));
    let gate = Gate::new(&broker);
    let lock = broker.dir().join("lock").to_str().unwrap().to_owned();
    let file = gate.file.to_str().unwrap().to_owned();
    let call = pool.submit(exclusive, (gate.marks.path(), lock, file));
    gate.wait_for(1);
    let second = Program::start(&broker, 1, &[]);
    first.signal("-TERM");
    assert_eq!(first.end(), 3, "{}", first.said());
    wait_until("it has begun again", || gate.marks.counts(1) == [2] || call.is_finished());
    gate.open();
    assert!(call.join_timeout(BOUND).expect("it ends").unwrap(), "another one executes it");
    assert_eq!((gate.marks.counts(1), pool.stats().retried), (vec![2], 1));
    assert!(second.process.is_alive());
}

/// The program of a node for which few messages may wait for the connection, and that has to end in time.
fn brief((url, ready, leave): (String, Queue<u32>, Queue<u32>)) {
    let cluster = Cluster::new(url).lease(LEASE).outgoing(2).drain(Duration::from_secs(1));
    let node = cluster.node(1).unwrap();
    ready.put(0).unwrap();
    leave.get().unwrap();
    node.stop().unwrap();
}

#[test]
fn a_node_ends_in_time_without_a_broker() {
    let Some(mut broker) = Broker::start() else { return };
    let [ready, leave] = [(); 2].map(|()| Queue::bounded(1).unwrap());
    let arguments = (broker.url(), ready.clone(), leave.clone());
    let node = Node::of(ProcessBuilder::new().spawn(brief, arguments).unwrap());
    soon(&ready);
    broker.stop();
    let since = Instant::now();
    // It says three times in a lease that it is there.
    wait_until("what it says fills the way", || since.elapsed() > 3 * LEASE);
    leave.put(0).unwrap();
    assert!(node.process().wait_timeout(2 * BOUND), "it does not end");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Some(broker) = Broker::start() else { return };
    let node = Program::start(&broker, 1, &[]);
    let pool = connect(&Cluster::new(broker.url()).grace(Duration::ZERO));
    let gate = Gate::new(&broker);
    let held = gate.hold(&pool);
    let worker = crate::support::children_of(node.process.pid());
    node.signal("-TERM");
    node.wait_for("takes no more calls");
    node.signal("-TERM");
    assert_eq!(node.end(), -15, "{}", node.said());
    wait_until("its worker has ended with it", || !worker.iter().any(|&pid| is_alive(pid)));
    assert!(!held.is_finished());
    let _unrun = pool.into_pool().shutdown_now();
    drop(gate);
}

#[test]
fn what_it_does_not_finish_in_time_goes_to_others() {
    let Some(broker) = Broker::start() else { return };
    let first = Program::start(&broker, 1, &["--drain", "0"]);
    let pool = connect(&Cluster::new(broker.url()));
    let gate = Gate::new(&broker);
    let held = gate.hold(&pool);
    let second = Program::start(&broker, 1, &[]);
    first.signal("-TERM");
    assert_eq!(first.end(), 3, "{}", first.said());
    assert!(first.said().contains("other nodes have to execute 1 calls"), "{}", first.said());
    gate.wait_for(2);
    gate.open();
    let by = held.join_timeout(BOUND).expect("it ends").unwrap();
    assert_eq!((by, pool.stats().retried), (second.process.pid(), 1));
}

#[test]
fn a_broker_that_comes_back_finds_it_there() {
    let Some(mut broker) = Broker::start() else { return };
    let node = Program::start(&broker, 1, &[]);
    broker.stop();
    node.wait_for("the connection: disconnected");
    broker.run();
    assert!(broker.is_up());
    wait_until("it has connected again", || node.said().matches("connected\n").count() > 2);
    let (pool, marks) = (connect(&Cluster::new(broker.url())), Marks::new(broker.dir()));
    let call = pool.submit(marked, (marks.path(), 0));
    assert_eq!(call.join_timeout(BOUND).expect("it ends").unwrap(), 1);
    drop(pool);
    node.signal("-TERM");
    assert_eq!(node.end(), 0, "{}", node.said());
}

/// What the example of a node program says to these arguments.
fn example(arguments: &[&str]) -> Output {
    let mut command = Command::new(examples::path("processes_node"));
    command.args(arguments).env_remove("NATS_URL").output().unwrap()
}

#[test]
fn it_says_how_to_use_it_and_what_is_wrong() {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let help = example(&["--help"]);
    assert_eq!((help.status.code(), &*text(&help.stderr)), (Some(0), ""));
    assert!(text(&help.stdout).starts_with("processes_node [OPTIONS] [URL]\n"));
    let list = example(&["--list"]);
    assert_eq!((list.status.code(), &*text(&list.stdout)), (Some(0), "examples.collatz\n"));
    for (arguments, code, words) in [
        (&[][..], 2, "no URL is given, and NATS_URL is not set; --help says how to use it"),
        (&["--loud", "nats://127.0.0.1"], 2, "--loud"),
        (&["nats://127.0.0.1:port"], 1, "failed to start: "),
        (&["nats://10.0.0.1"], 1, "use TLS and credentials"),
        (&["nats://127.0.0.1:1"], 1, "failed to start: connect to the cluster at 127.0.0.1:1"),
    ] {
        let said = example(arguments);
        let (out, err) = (text(&said.stdout), text(&said.stderr));
        assert_eq!((said.status.code(), &*out), (Some(code), ""), "{arguments:?}: {err}");
        let line = err.strip_prefix("processes_node: ").unwrap_or_else(|| panic!("{err}"));
        assert!(line.contains(words) && line.lines().count() == 1, "{arguments:?}: {err}");
    }
}

#[test]
fn a_node_without_a_broker_goes_on() {
    let Some(mut broker) = Broker::start() else { return };
    let node = Program::start(&broker, 1, &[]);
    let pool = Cluster::new(broker.url()).offline_limit(Duration::from_millis(100));
    let (pool, gate) = (connect(&pool), Gate::new(&broker));
    let held = gate.hold(&pool);
    broker.stop();
    let error = held.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::NodeLost { .. }), "{error}");
    assert!(node.process.is_alive());
}
