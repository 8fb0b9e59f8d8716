//! Brokers on machines of their own, and what makes certificates for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use processes::{Cluster, ProcessBuilder, Queue};
use serde::{Deserialize, Serialize};

use super::machines::{FILES, Machine, Network, address, enter, sh};
use super::support::Node;
use crate::support::{BOUND, soon, wait_until};

/// Where its brokers say what they know.
const MONITOR: u16 = 8222;

/// The lease of these tests: elections take a second or more.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// What the documentation says about three brokers.
const DOCUMENT: &str = include_str!("../../../../docs/cluster.md");

/// The password of all tests.
pub(crate) const PASSWORD: &str = "only@for:tests";

/// The same in an address.
pub(crate) const ESCAPED: &str = "only%40for%3Atests";

/// A file of the test.
pub(crate) fn file(name: &str) -> String {
    format!("{FILES}/{name}")
}

/// Makes an authority, NAME.pem and NAME.key, which signs certificates.
pub(crate) fn authority(name: &str) {
    certificate(name, "", "-addext basicConstraints=critical,CA:TRUE");
}

/// Makes a certificate, NAME.pem and NAME.key, of a machine and its address, signed by an authority.
pub(crate) fn signed(by: &str, name: &str, machine: &str) {
    let names = format!("DNS:{machine},IP:{}", address(machine));
    let more = format!(
        "-addext subjectAltName={names} -addext basicConstraints=critical,CA:FALSE \
         -addext extendedKeyUsage=serverAuth,clientAuth"
    );
    certificate(name, &format!("-CA {by}.pem -CAkey {by}.key"), &more);
}

/// Makes a certificate.
fn certificate(name: &str, by: &str, more: &str) {
    sh(&format!(
        "cd {FILES}; openssl req -x509 {by} -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
         -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2 {more}"
    ));
}

/// A broker.
pub(crate) struct Server {
    /// Where it runs.
    pub(crate) machine: Machine,
    /// Its process, while it runs.
    child: Option<Child>,
}

impl Server {
    /// Starts one, with a configuration that may refer to [`file`]s and `$POOL_PASSWORD`.
    pub(crate) fn start(network: &Network, name: &str, config: &str) -> Self {
        let machine = network.machine(name);
        std::fs::write(file(&format!("{name}.conf")), config).unwrap();
        let mut server = Self { machine, child: None };
        server.run();
        server
    }

    /// Starts its process, with the files that it had.
    pub(crate) fn run(&mut self) {
        let name = &self.machine.name;
        let log = file(&format!("{name}.log"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = self.machine.command("nats-server");
        command.args(["-c", &format!("{name}.conf"), "-m", &MONITOR.to_string()]);
        command.current_dir(FILES).env("POOL_PASSWORD", PASSWORD);
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Ends its process, at once.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// What it says to a request of its monitor; empty when nobody answers.
    pub(crate) fn get(&self, path: &str) -> String {
        let ask = || {
            let to = format!("{}:{MONITOR}", address(&self.machine.name)).parse().unwrap();
            let mut connection = TcpStream::connect_timeout(&to, BOUND)?;
            connection.set_read_timeout(Some(BOUND))?;
            write!(connection, "GET {path} HTTP/1.0\r\nHost: broker\r\n\r\n")?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        ask().unwrap_or_default()
    }

    /// Waits until it takes connections.
    fn is_there(&self) {
        let place = format!("{}:4222", address(&self.machine.name)).parse().unwrap();
        let what = format!("{} is there", self.machine.name);
        wait_until(&what, || TcpStream::connect_timeout(&place, BOUND).is_ok());
    }

    /// Waits until it serves, with JetStream, and its cluster has a leader.
    pub(crate) fn is_up(&self) {
        let what = format!("{} is up", self.machine.name);
        wait_until(&what, || self.get("/healthz").contains("\"status\":\"ok\""));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = file(&format!("{}.log", self.machine.name));
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let said: Vec<_> = log.lines().filter(|line| !line.contains("Healthcheck")).collect();
            let last = &said[said.len().saturating_sub(40)..];
            eprintln!("{}: ...\n{}", self.machine.name, last.join("\n"));
        }
        self.stop();
    }
}

/// Three brokers, set up as the documentation says.
pub(crate) struct Trio {
    /// b1, b2, b3.
    pub(crate) servers: Vec<Server>,
}

impl Trio {
    /// Starts them, and waits until they take connections.
    pub(crate) fn start_only(network: &Network) -> Self {
        authority("ca");
        let start = |name: &str| {
            signed("ca", name, name);
            Server::start(network, name, &documented(name))
        };
        let trio = Self { servers: ["b1", "b2", "b3"].map(start).into() };
        trio.servers.iter().for_each(Server::is_there);
        trio
    }

    /// Starts them, and waits until they have agreed who leads them.
    pub(crate) fn start(network: &Network) -> Self {
        let trio = Self::start_only(network);
        trio.servers.iter().for_each(Server::is_up);
        trio
    }

    /// How one talks to them.
    pub(crate) fn access() -> Access {
        Access::with_password(["b1", "b2", "b3"].map(url_of).join(",")).replicas(3)
    }

    /// As settings.
    pub(crate) fn cluster() -> Cluster {
        Self::access().cluster()
    }

    /// Starts a node with one worker on a machine, and waits until it serves.
    pub(crate) fn node(machine: &Machine) -> Node {
        node(machine, &Self::access(), ProcessBuilder::new())
    }

    /// What one of those that run says about streams.
    fn streams(&self) -> String {
        let some = self.servers.iter().find(|server| server.runs()).unwrap();
        some.get("/jsz?streams=1&consumers=1&config=1")
    }

    /// Which one leads what is described after this text, if any does.
    fn leads(&self, what: &str) -> Option<usize> {
        let streams = self.streams();
        let leader = streams.split_once(what)?.1.split_once("\"leader\": \"")?.1;
        let leader = leader.split('"').next()?;
        self.servers.iter().position(|server| server.machine.name == leader && server.runs())
    }

    /// Which one leads the calls, if any does.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.leads("\"name\": \"triptych-calls\"")
    }

    /// Which one leads the consumer that all nodes take calls from, if any does.
    pub(crate) fn consumer_leader(&self) -> Option<usize> {
        self.leads("\"stream_name\": \"triptych-calls\"")
    }

    /// How many messages a stream has, as the broker knows that leads it.
    pub(crate) fn messages(&self, stream: &str) -> Option<u64> {
        let name = format!("\"name\": \"triptych-{stream}\"");
        let streams = self.servers[self.leads(&name)?].get("/jsz?streams=1");
        let number = streams.split_once(&name)?.1.split_once("\"messages\": ")?.1;
        number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Waits until the stream of calls is empty.
    pub(crate) fn is_empty(&self) {
        wait_until("the stream is empty", || self.messages("calls") == Some(0));
    }

    /// Waits until there is nothing for nodes. When brokers were killed, the stream may have messages
    /// nevertheless: with version 2.9 a replica may keep what was acknowledged and the others have not.
    pub(crate) fn is_drained(&self) {
        wait_until("nodes have nothing to do", || {
            self.consumer_leader().is_some_and(|leader| {
                let said = self.servers[leader].get("/jsz?streams=1&consumers=1");
                let about = said.split_once("\"stream_name\": \"triptych-calls\"");
                let is_none = |what| about.is_some_and(|(_, about)| about.contains(what));
                is_none("\"num_ack_pending\": 0,") && is_none("\"num_pending\": 0,")
            })
        });
    }

    /// Whether it says this about its streams.
    pub(crate) fn says(&self, what: &str) -> bool {
        self.streams().contains(what)
    }
}

/// Where one of them is.
pub(crate) fn url_of(name: &str) -> String {
    format!("tls://pool:{ESCAPED}@{name}:4222")
}

/// How somebody talks to brokers; the files are those of the test.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Where they are.
    pub(crate) url: String,
    /// Whom to trust.
    pub(crate) roots: Option<String>,
    /// Certificate and key.
    pub(crate) identity: Option<String>,
    /// A file with credentials.
    pub(crate) credentials: Option<String>,
    /// Whether that is enough.
    pub(crate) insecure: bool,
    /// On how many brokers calls are.
    pub(crate) replicas: usize,
}

impl Access {
    /// Without anything.
    pub(crate) fn open(url: impl Into<String>) -> Self {
        Self { url: url.into(), replicas: 1, ..Self::default() }
    }

    /// With a password, which may be in the address, and trust in `ca`.
    pub(crate) fn with_password(url: impl Into<String>) -> Self {
        Self { roots: Some("ca".to_owned()), ..Self::open(url) }
    }

    /// With calls on so many brokers.
    pub(crate) fn replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
    }

    /// As settings.
    pub(crate) fn cluster(&self) -> Cluster {
        let mut cluster = Cluster::new(&self.url).replicas(self.replicas).lease(LEASE);
        if let Some(roots) = &self.roots {
            cluster = cluster.root_certificates(file(&format!("{roots}.pem")));
        }
        if let Some(name) = &self.identity {
            let files = [".pem", ".key"].map(|kind| file(&format!("{name}{kind}")));
            let [certificate, key] = files;
            cluster = cluster.identity(certificate, key);
        }
        if let Some(name) = &self.credentials {
            cluster = cluster.credentials(file(&format!("{name}.creds")));
        }
        if self.insecure { cluster.insecure() } else { cluster }
    }
}

/// Starts a node with one worker on a machine, in a process that is set up like this, and waits until
/// it serves.
pub(crate) fn node(machine: &Machine, access: &Access, builder: ProcessBuilder) -> Node {
    let ready = Queue::bounded(1).unwrap();
    let place = machine.path().to_str().unwrap().to_owned();
    let builder = builder.env("NODE", &machine.name);
    let process = builder.spawn(serve, (place, access.clone(), ready.clone())).unwrap();
    soon(&ready);
    Node::of(process)
}

/// The program of a node.
fn serve((place, access, ready): (String, Access, Queue<u32>)) {
    enter(place.as_ref());
    let _node = access.cluster().node(1).unwrap();
    ready.put(std::process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

/// The configuration that the documentation has for b1, for one of them.
fn documented(name: &str) -> String {
    let (_, rest) = DOCUMENT.split_once("## Three brokers").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (config, _) = rest.split_once("```").unwrap();
    let mut config = config.replace("/var/lib/nats", &file(&format!("{name}.store")));
    for place in ["server_name: b1", "\"b1:4222\"", "b1.pem", "b1.key"] {
        assert!(config.contains(place), "{place} is not in docs/cluster.md");
        config = config.replace(place, &place.replace("b1", name));
    }
    config
}
