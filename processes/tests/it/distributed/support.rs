//! A broker and nodes for tests: processes of their own, which end with the test.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    pub(crate) ports: [u16; 2],
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
            "server_name: {}\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n\
             jetstream {{ store_dir: \"{}\", max_mem: 256M, max_file: {} }}\n{}\n",
            self.name(),
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
        let (ports, name) = (self.ports, self.name());
        let child = self.child.as_mut().unwrap();
        wait_until("the broker is up", || {
            ended = child.has_ended();
            ended || says_its_name(ports[0], &name) && connection(ports[1]).is_some()
        });
        !ended
    }

    /// What it calls itself.
    fn name(&self) -> String {
        let dir = self.dir.path().file_name().unwrap().to_str().unwrap();
        format!("broker-{}", dir.trim_start_matches('.'))
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

    /// Starts a node with so many workers, and waits until it serves.
    pub(crate) fn node(&self, slots: usize) -> Node {
        self.node_with(slots, ProcessBuilder::new())
    }

    /// Starts a node with so many workers in a process that is made like this, and waits until it serves.
    pub(crate) fn node_with(&self, slots: usize, process: ProcessBuilder) -> Node {
        node_by(self.url(), slots, process)
    }
}

/// Starts a node with so many workers that finds its broker there, and waits until it serves.
pub(crate) fn node_at(url: String, slots: usize) -> Node {
    node_by(url, slots, ProcessBuilder::new())
}

/// The same, in a process that is made like this.
fn node_by(url: String, slots: usize, process: ProcessBuilder) -> Node {
    let ready = Queue::bounded(1).unwrap();
    let process = process.spawn(serve, (url, slots, ready.clone())).unwrap();
    soon(&ready);
    Node(process)
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

/// A connection to whoever listens at a port.
fn connection(port: u16) -> Option<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
}

/// Whether that is the broker of this name, and not somebody else who has taken the port meanwhile.
fn says_its_name(port: u16, name: &str) -> bool {
    let Some(connection) = connection(port) else { return false };
    connection.set_read_timeout(Some(BOUND)).unwrap();
    let mut info = String::new();
    BufReader::new(connection).read_line(&mut info).is_ok_and(|_length| info.contains(name))
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

/// Waits, in a call, until a file is there: that the test goes on.
pub(super) fn until_there(file: &str) {
    let begun = Instant::now();
    while !Path::new(file).exists() {
        assert!(begun.elapsed() < 4 * BOUND, "still waiting for {file}");
        super::processes_sleep(5);
    }
}
