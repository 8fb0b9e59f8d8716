//! A broker and nodes for tests: processes of their own, which end with the test.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use processes::{Cluster, Pool, Process, ProcessBuilder, Queue};
use tempfile::TempDir;

use crate::support::{BOUND, skip, soon, wait_until};

/// Short, so that a test of a lost node is.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// A program that ends with this process, also when that is killed: a shell waits for the end of its
/// input.
pub(crate) struct Tethered(Child);

impl Tethered {
    /// Starts a program, with what it says as errors in a file if one is given.
    pub(crate) fn start(program: impl AsRef<OsStr>, args: &[OsString], log: Option<File>) -> Self {
        let script = r#"exec 3<&0
            "$@" 3<&- </dev/null &
            program=$!
            { read -r _ <&3; kill -9 "$program" 2>/dev/null; } &
            reader=$!
            wait "$program"
            kill "$reader" 2>/dev/null"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(program).args(args);
        shell.stdin(Stdio::piped()).stdout(Stdio::null());
        if let Some(log) = log {
            shell.stderr(log);
        }
        Self(shell.spawn().unwrap())
    }

    /// True when it has ended on its own.
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let (Ok(_) | Err(_)) = self.0.wait();
    }
}

/// A pool that waits for no call when the test has failed: what they wait for may never come.
pub(crate) struct Client(Option<Pool>);

/// A pool of a cluster.
pub(crate) fn connect(cluster: &Cluster) -> Client {
    cluster.connect().unwrap().into()
}

impl Client {
    /// The pool itself.
    pub(crate) fn into_pool(mut self) -> Pool {
        self.0.take().unwrap()
    }
}

impl From<Pool> for Client {
    fn from(pool: Pool) -> Self {
        Self(Some(pool))
    }
}

impl Deref for Client {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take()
            && std::thread::panicking()
        {
            let _unrun = pool.shutdown_now();
        }
    }
}

/// A broker.
pub(crate) struct Broker {
    /// Its process, while it runs.
    child: Option<Tethered>,
    /// Its ports: for clients, and for who looks at it.
    ports: [u16; 2],
    /// Its files.
    dir: TempDir,
    /// Lines of its configuration.
    pub(crate) config: String,
    /// How many bytes it may store.
    disk: &'static str,
    /// What clients have to say.
    pub(crate) login: &'static str,
}

impl Broker {
    /// One without passwords; none where there is no such program, which is said.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("", "")
    }

    /// One with more lines in its configuration, and what clients have to say.
    pub(crate) fn start_with(config: &str, login: &'static str) -> Option<Self> {
        Self::start_on("8G", config, login)
    }

    /// One that may store so much.
    pub(crate) fn start_on(disk: &'static str, config: &str, login: &'static str) -> Option<Self> {
        let found = Command::new("nats-server").arg("--version").output();
        if found.is_err() {
            skip("tools", "there is no nats-server (`apt-get install nats-server`)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let (child, config) = (None, config.to_owned());
        let mut broker = Self { child, ports: [0; 2], dir, config, disk, login };
        for _ in 0..10 {
            broker.ports = [free_port(), free_port()];
            broker.run();
            if broker.is_up() {
                return Some(broker);
            }
            // Somebody else has taken a port meanwhile.
            broker.stop();
        }
        panic!("no broker has started: {}", std::fs::read_to_string(broker.log()).unwrap());
    }

    /// Starts its process, on the same ports and files.
    pub(crate) fn run(&mut self) {
        let [port, monitor] = self.ports;
        let file = self.dir.path().join("broker.conf");
        let store = self.dir.path().join("store");
        let text = format!(
            "listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n\
             jetstream {{ store_dir: {}, max_mem: 256M, max_file: {} }}\n{}\n",
            store.display(),
            self.disk,
            self.config
        );
        std::fs::write(&file, text).unwrap();
        let log = File::create(self.log()).unwrap();
        self.child = Some(Tethered::start("nats-server", &["-c".into(), file.into()], Some(log)));
    }

    /// Ends its process, at once.
    pub(crate) fn stop(&mut self) {
        drop(self.child.take());
    }

    /// Waits until it takes connections; false when its process has ended.
    pub(crate) fn is_up(&mut self) -> bool {
        let mut ended = false;
        let ports = self.ports;
        let child = self.child.as_mut().unwrap();
        wait_until("the broker is up", || {
            ended = child.has_ended();
            ended
                || ports.iter().all(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
        });
        !ended
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}127.0.0.1:{}", self.login, self.ports[0])
    }

    /// As settings.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new(self.url()).lease(LEASE).grace(Duration::from_secs(1))
    }

    /// A pool of its cluster.
    pub(crate) fn connect(&self) -> Client {
        connect(&self.cluster())
    }

    /// A folder that goes with it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it has said.
    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// How many messages a stream has.
    pub(crate) fn messages(&self, stream: &str) -> u64 {
        self.number(&format!("triptych-{stream}"), "messages")
    }

    /// Whether a stream has, or has had, any message.
    pub(crate) fn has_stored(&self, stream: &str) -> bool {
        self.number(&format!("triptych-{stream}"), "last_seq") > 0
    }

    /// Removes the parts of all bodies in the store, but not what says that they are there.
    pub(crate) fn purge_bodies(&self) {
        let filter = r#"{"filter":"$O.triptych-bodies.C.>"}"#;
        self.publish("$JS.API.STREAM.PURGE.OBJ_triptych-bodies", filter);
    }

    /// Makes the store of bodies, which forgets them after so many seconds, before anybody else does.
    pub(crate) fn make_store(&self, age_s: u64) {
        let config = format!(
            r#"{{"name":"OBJ_triptych-bodies","storage":"file","num_replicas":1,"discard":"new",
            "subjects":["$O.triptych-bodies.C.>","$O.triptych-bodies.M.>"],"retention":"limits",
            "max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_msg_size":-1,"allow_direct":true,
            "allow_rollup_hdrs":true,"max_age":{},"duplicate_window":1000000000}}"#,
            age_s * 1_000_000_000
        );
        self.publish("$JS.API.STREAM.CREATE.OBJ_triptych-bodies", &config);
        let there = || self.number_if_any("OBJ_triptych-bodies", "bytes").is_some();
        wait_until("there is a store", there);
    }

    /// Makes a stream, which takes what is said to `subject`.
    pub(crate) fn make_stream(&self, name: &str, subject: &str) {
        let config = format!(
            r#"{{"name":"{name}","subjects":["{subject}"],"retention":"limits","storage":"memory",
            "max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"discard":"old","num_replicas":1}}"#
        );
        self.publish(&format!("$JS.API.STREAM.CREATE.{name}"), &config);
        wait_until("there is a stream", || self.number_if_any(name, "bytes").is_some());
    }

    /// Removes a stream.
    pub(crate) fn remove_stream(&self, name: &str) {
        self.publish(&format!("$JS.API.STREAM.DELETE.{name}"), "");
    }

    /// How many requests of `JetStream` the broker has refused.
    pub(crate) fn refusals(&self) -> u64 {
        let said = self.get("/jsz");
        leading_number(said.split_once("\"errors\": ").unwrap().1).unwrap()
    }

    /// Publishes a message, and waits until the broker has read it.
    fn publish(&self, subject: &str, payload: &str) {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0])).unwrap();
        let publish = format!("PUB {subject} {}\r\n{payload}\r\n", payload.len());
        connection.write_all(format!("CONNECT {{}}\r\n{publish}PING\r\n").as_bytes()).unwrap();
        connection.set_read_timeout(Some(BOUND)).unwrap();
        let (mut said, mut part) = (Vec::new(), [0; 4096]);
        while !said.ends_with(b"PONG\r\n") {
            let length = connection.read(&mut part).unwrap();
            assert!(length > 0, "the broker has hung up: {said:?}");
            said.extend_from_slice(&part[..length]);
        }
    }

    /// The number of the first message that the store of bodies has, and of the last one that it had.
    pub(crate) fn span_of_bodies(&self) -> (u64, u64) {
        let number = |what| self.number("OBJ_triptych-bodies", what);
        (number("first_seq"), number("last_seq"))
    }

    /// How many bytes the broker has sent to the only client.
    pub(crate) fn bytes_to_client(&self) -> u64 {
        let said = self.get("/connz");
        let mut connections = said.split("\"cid\":");
        let client = connections.find(|one| one.contains("\"name\": \"client\"")).unwrap();
        leading_number(client.split_once("\"out_bytes\": ").unwrap().1).unwrap()
    }

    /// How many bytes the store of bodies takes.
    pub(crate) fn bytes_of_bodies(&self) -> u64 {
        self.number("OBJ_triptych-bodies", "bytes")
    }

    /// How many messages a stream has; none: there is no such stream.
    pub(crate) fn messages_if_any(&self, stream: &str) -> Option<u64> {
        self.number_if_any(&format!("triptych-{stream}"), "messages")
    }

    /// What the broker says of a stream, which there is.
    fn number(&self, stream: &str, what: &str) -> u64 {
        self.number_if_any(stream, what).unwrap()
    }

    /// What the broker says of a stream.
    fn number_if_any(&self, stream: &str, what: &str) -> Option<u64> {
        let said = self.get("/jsz?streams=1");
        let stream = said.split_once(&format!("\"name\": \"{stream}\""))?.1;
        leading_number(stream.split_once(&format!("\"{what}\": ")).unwrap().1)
    }

    /// What it says to those who look at it.
    fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[1])).unwrap();
        connection.set_read_timeout(Some(BOUND)).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: broker\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Starts a node with so many workers, and waits until it serves.
    pub(crate) fn node(&self, slots: usize) -> Node {
        self.node_with(slots, ProcessBuilder::new())
    }

    /// Starts a node with so many workers in a process that is made like this, and waits until it serves.
    pub(crate) fn node_with(&self, slots: usize, process: ProcessBuilder) -> Node {
        let ready = Queue::bounded(1).unwrap();
        let arguments = (self.url(), slots, ready.clone());
        let process = process.spawn(serve, arguments).unwrap();
        soon(&ready);
        Node(process)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A node, in a process of its own.
pub(crate) struct Node(Process<()>);

impl Node {
    /// The one in this process.
    pub(crate) fn of(process: Process<()>) -> Self {
        Self(process)
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        self.0.kill();
        wait_until("the node is gone", || self.0.is_finished());
    }

    /// Its process.
    pub(crate) fn process(&self) -> &Process<()> {
        &self.0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.kill();
        if !std::thread::panicking() {
            self.kill();
        }
    }
}

/// The program of a node.
fn serve((url, slots, ready): (String, usize, Queue<u32>)) {
    let _node = Cluster::new(url).lease(LEASE).node(slots).unwrap();
    ready.put(std::process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

/// The number with which a text begins.
fn leading_number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Calls leave marks in a file, so that it can be counted how often each was executed.
#[derive(Clone)]
pub(crate) struct Marks(PathBuf);

impl Marks {
    /// In this folder.
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.join("marks"))
    }

    /// For an argument.
    pub(crate) fn path(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }

    /// How often each of so many numbers was marked.
    pub(crate) fn counts(&self, numbers: usize) -> Vec<usize> {
        let mut counts = vec![0; numbers];
        for mark in std::fs::read(&self.0).unwrap_or_default().chunks_exact(8) {
            let number = u64::from_le_bytes(mark.try_into().unwrap());
            counts[usize::try_from(number).unwrap()] += 1;
        }
        counts
    }
}

/// Leaves a mark: short appends to a file are not torn.
pub(crate) fn mark(path: &str, number: u64) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(&number.to_le_bytes()).unwrap();
}
