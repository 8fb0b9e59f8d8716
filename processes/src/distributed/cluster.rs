//! Where a cluster is, and how one talks to it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::ServerAddr;

use crate::node::Node;
use crate::pool::Pool;

use super::address::{self, invalid, is_loopback};

/// Less would not do for a few calls that are as long as a message may be.
const MIN_RESERVE: u64 = 4 << 20;

/// How many messages may wait for the connection until who sends more has to wait with them.
const OUTGOING: usize = 2048;

/// Where a cluster is and how one talks to it: for [`Pool::connect`] and [`node::serve`](crate::node::serve)
/// with more than an address.
///
/// ```no_run
/// use processes::Cluster;
///
/// let cluster = Cluster::new("tls://broker-1.example:4222,tls://broker-2.example:4222")
///     .credentials("client.creds")
///     .root_certificates("ca.pem")
///     .replicas(3);
/// let pool = cluster.connect()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A server that is not on this machine has to be reached by TLS and with credentials: anything else is
/// `PermissionDenied`, unless [`insecure`](Self::insecure) says that it is meant. Brokers tell of others
/// of their cluster, to which clients and nodes also connect: all of them have to have TLS then, and a
/// certificate of the name or address that they are told of.
#[derive(Clone)]
#[must_use = "it does nothing until `connect` or `serve` is called"]
pub struct Cluster {
    /// Addresses, with commas in between.
    url: String,
    /// Begins all subjects and the names of all streams.
    pub(super) namespace: String,
    /// A file with a JWT and the seed of a key.
    pub(super) credentials: Option<PathBuf>,
    /// Certificates to trust instead of those of the system.
    pub(super) roots: Option<PathBuf>,
    /// Certificate and key of this side.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// Whether TLS is not asked for elsewhere.
    insecure: bool,
    /// On how many brokers each call is stored.
    pub(super) replicas: usize,
    /// How many bytes calls may take at the brokers.
    pub(super) reserve: u64,
    /// How long a node may be silent about a call.
    pub(super) lease: Duration,
    /// How many nodes a call may lose.
    pub(super) attempts: u32,
    /// How long a call may be refused by nodes.
    pub(super) patience: Duration,
    /// How long there may be no broker.
    pub(super) offline_limit: Duration,
    /// How long calls that a node holds may take when it ends; none: as long as they like.
    pub(super) drain: Option<Duration>,
    /// Who is told of the connection; none: nobody.
    pub(super) log: Option<fn(&str)>,
    /// How long a client may be away before nodes drop its results.
    pub(super) gone_after: Duration,
    /// How many messages may wait for the connection.
    pub(super) outgoing: usize,
    /// How long calls may take to end after `shutdown_now`.
    pub(super) grace: Duration,
    /// The longest argument or result.
    pub(super) max_payload: usize,
}

impl Cluster {
    /// The cluster with brokers at these addresses: `nats://host:4222` or `tls://host:4222`, several
    /// with commas in between.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: "triptych".to_owned(),
            credentials: None,
            roots: None,
            identity: None,
            insecure: false,
            replicas: 1,
            reserve: 1 << 30,
            lease: Duration::from_secs(15),
            attempts: 3,
            patience: Duration::from_secs(10),
            offline_limit: Duration::from_mins(10),
            drain: None,
            log: None,
            gone_after: super::node::GONE_AFTER,
            outgoing: OUTGOING,
            grace: Duration::from_secs(5),
            max_payload: crate::builder::DEFAULT_MAX_PAYLOAD,
        }
    }

    /// Separates users of the same brokers: clients and nodes meet when they have the same one. Letters,
    /// digits, `-` and `_`. The default is `triptych`.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// A credentials file, as NATS tools make them (`.creds`). User and password, or a token, can also be
    /// part of the address, with `%` escapes for letters that have a meaning there; they are the same at
    /// all brokers.
    pub fn credentials(mut self, path: impl Into<PathBuf>) -> Self {
        self.credentials = Some(path.into());
        self
    }

    /// A file with certificates (PEM) of authorities to trust, instead of those that the system trusts.
    /// With it, TLS is required, also of servers of this machine.
    pub fn root_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots = Some(path.into());
        self
    }

    /// The certificate and the key (PEM) of this side, for brokers that ask for them.
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Allows servers elsewhere without TLS or without credentials: whoever is on the way can read and
    /// change everything, and whoever reaches the broker can have nodes call their registered functions.
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// On how many brokers each call is stored, when this is the first that connects: 1, 3 or 5. The
    /// default is 1.
    pub fn replicas(mut self, n: usize) -> Self {
        self.replicas = n;
        self
    }

    /// How many bytes of their disks brokers set aside for the calls of this namespace that nodes have not
    /// finished, when this is the first that connects; a quarter more for calls that were given up
    /// ([`Poison`](crate::JoinError::Poison)). At least 4 MiB; the default is 1 GiB, so 1.25 GiB in all, on
    /// each of [`replicas`](Self::replicas) brokers. Brokers that have not as much left refuse
    /// [`connect`](Self::connect). When that many bytes are taken, what clients submit waits with them.
    /// Arguments and results of more than 512 KiB lie elsewhere, and nothing is set aside for them: when the
    /// broker has had no room for one for a minute, its call is [`Encode`](crate::JoinError::Encode).
    pub fn reserve(mut self, bytes: u64) -> Self {
        self.reserve = bytes;
        self
    }

    /// How long a node may say nothing about a call before another one gets it, when this is the first
    /// that connects; at least 1 s. Nodes speak three times as often. The default is 15 s.
    pub fn lease(mut self, limit: Duration) -> Self {
        self.lease = limit;
        self
    }

    /// How many nodes a call may lose while they have begun it, before it is given up; at least 1. The
    /// default is 3. With 1, a call that was begun is never begun by another node.
    ///
    /// Calls that wait on a node for a worker count as begun: short ones do so by the dozen, for some
    /// milliseconds. So that one that kills its nodes does not take others with it, calls make their last
    /// attempts one at a time on each node, of those of a client; with 1, there is no such protection.
    pub fn attempts(mut self, nodes: u32) -> Self {
        self.attempts = nodes;
        self
    }

    /// How long a call is offered again when nodes do not know its function, know another one of that
    /// name, or have no memory for its argument; then it is [`NotServed`](crate::JoinError::NotServed), once each
    /// node that says that it has workers has refused it, or 16 have. The default is 10 s. It counts from the
    /// first refusal after the call was begun last, if it was.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    /// How long there may be no connection to a broker before all calls are
    /// [`NodeLost`](crate::JoinError::NodeLost). The default is 10 min. A broker that has come to take
    /// shorter messages than 1 MB (`max_payload`) counts as none, though calls go on that fit.
    ///
    /// Nodes drop what they have of a client that they have not found for 30 s: results 30 s after their calls have
    /// ended, or later. After 10 min they end what workers still execute for it. When it is connected again, it sends its calls again: those that were
    /// executed meanwhile are executed again, if they [may be](Self::attempts).
    pub fn offline_limit(mut self, limit: Duration) -> Self {
        self.offline_limit = limit;
        self
    }

    /// How long calls that run may take to end after [`Pool::shutdown_now`]. The default is 5 s. Items of a
    /// map whose results are still awaited, as after a second interrupt, end with their results until then.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// How long the calls that a node holds may take when it is to [stop](crate::node::Node::stop); what is
    /// not executed then goes to other nodes, and counts as lost by this one ([`attempts`](Self::attempts)).
    /// The default is as long as they take.
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = Some(limit);
        self
    }

    /// How long a client may be away before a node drops its results: 30 s, which tests do not wait for. After
    /// 20 times as long it ends what runs. After twice as long without room for an argument or a result in the store
    /// of the broker, client and node give it up.
    #[doc(hidden)]
    pub fn gone_after(mut self, limit: Duration) -> Self {
        self.gone_after = limit;
        self
    }

    /// How many messages may wait for the connection: 2,048, which take long to come together.
    #[doc(hidden)]
    pub fn outgoing(mut self, messages: usize) -> Self {
        self.outgoing = messages;
        self
    }

    /// Somebody is told in words when a connection is there, or is lost.
    pub(super) fn logged(mut self, log: fn(&str)) -> Self {
        self.log = Some(log);
        self
    }

    /// Says what nobody else is told.
    pub(super) fn say(&self, words: &str) {
        match self.log {
            Some(log) => log(words),
            None => eprintln!("{}-node: {words}", self.namespace),
        }
    }

    /// The cluster with brokers at these addresses, with the same settings.
    pub(super) fn at(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    /// The largest encoded argument or result in bytes, as [`Builder::max_payload`](crate::Builder::max_payload).
    /// Nodes refuse longer ones by what they were told, and a client by what it was told: a result that is
    /// too long for it is not fetched, and the call is [`TooLarge`](crate::JoinError::TooLarge).
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// A pool whose calls are executed by the nodes of the cluster; see [`Pool::connect`].
    ///
    /// # Errors
    /// - `InvalidInput`: an address, a namespace or a setting that cannot be; two functions of one name; a
    ///   file that holds no certificate, key or credentials.
    /// - `PermissionDenied`: a server elsewhere without TLS or credentials; the broker refuses the
    ///   credentials, or the certificate of this side, or wants one.
    /// - `NotConnected`: no broker can be reached, or none that has JetStream and takes messages of 1 MB
    ///   (`max_payload`), or that has room for what is to be [reserved](Self::reserve); brokers that have
    ///   just started have not agreed within 15 s who leads them; TLS fails, or the broker is not trusted.
    /// - The system's: a file cannot be read; no threads or descriptors are left.
    pub fn connect(&self) -> io::Result<Pool> {
        super::client::connect(self.checked()?)
    }

    /// Starts a node with so many workers; see [`node::serve`](crate::node::serve).
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and as [`Builder::build`](crate::Builder::build); `InvalidInput`: the
    /// program has no function that it could serve.
    pub fn node(&self, slots: usize) -> io::Result<Node> {
        let cluster = self.checked()?;
        super::task::Registry::get().and_then(super::task::Registry::something).or_else(invalid)?;
        Node::start(cluster, slots)
    }

    /// These settings, if they can be.
    fn checked(&self) -> io::Result<Self> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.namespace.is_empty() || !self.namespace.chars().all(legal) {
            return invalid(format!(
                "the namespace {:?} has other than letters and digits",
                self.namespace
            ));
        }
        if self.lease < Duration::from_secs(1) || self.attempts == 0 || self.replicas == 0 {
            return invalid(
                "the lease is at least 1 s, attempts and replicas at least 1".to_owned(),
            );
        }
        if self.reserve < MIN_RESERVE {
            return invalid(format!("at least {MIN_RESERVE} bytes are to be reserved for calls"));
        }
        super::task::Registry::get().or_else(invalid)?;
        let servers = self.servers()?;
        address::login(&servers)?;
        if !self.insecure
            && let Some(open) = servers.iter().find(|server| !self.is_safe(server))
        {
            let message = format!(
                "{}:{} is not on this machine: use TLS and credentials, or say `insecure`",
                open.host(),
                open.port()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(self.clone())
    }

    /// The addresses.
    pub(super) fn servers(&self) -> io::Result<Vec<ServerAddr>> {
        address::parse(&self.url)
    }

    /// Whether all brokers have to have TLS: those of the addresses, and those that they tell of, of
    /// which addresses say nothing.
    pub(super) fn needs_tls(&self, servers: &[ServerAddr]) -> bool {
        let elsewhere = servers.iter().any(|server| !is_loopback(server.host()));
        self.roots.is_some()
            || elsewhere && !self.insecure
            || servers.iter().all(ServerAddr::tls_required)
    }

    /// Whether nobody else hears what is said to a server, and it knows who speaks.
    fn is_safe(&self, server: &ServerAddr) -> bool {
        let has_tls = server.tls_required() || self.roots.is_some();
        let is_known =
            self.credentials.is_some() || self.identity.is_some() || server.username().is_some();
        is_loopback(server.host()) || has_tls && is_known
    }

    /// Where it is, without passwords.
    pub(super) fn place(&self) -> String {
        let servers = self.servers().unwrap_or_default();
        let places = servers.iter().map(|server| format!("{}:{}", server.host(), server.port()));
        places.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("url", &address::without_logins(&self.url))
            .field("namespace", &self.namespace)
            .field("credentials", &self.credentials)
            .field("roots", &self.roots)
            .field("identity", &self.identity)
            .field("insecure", &self.insecure)
            .field("replicas", &self.replicas)
            .field("reserve", &self.reserve)
            .field("lease", &self.lease)
            .field("attempts", &self.attempts)
            .field("patience", &self.patience)
            .field("offline_limit", &self.offline_limit)
            .field("drain", &self.drain)
            .field("gone_after", &self.gone_after)
            .field("outgoing", &self.outgoing)
            .field("grace", &self.grace)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How these settings are refused.
    fn refused(cluster: &Cluster) -> Option<io::ErrorKind> {
        cluster.checked().err().map(|error| error.kind())
    }

    #[test]
    fn servers_elsewhere_need_tls_and_credentials() {
        let denied = Some(io::ErrorKind::PermissionDenied);
        for url in ["nats://127.0.0.1:4222", "nats://localhost", "nats://[::1]:4222"] {
            assert_eq!(refused(&Cluster::new(url)), None, "{url}");
        }
        let far = Cluster::new("nats://10.0.0.1:4222");
        assert_eq!(refused(&far), denied);
        assert_eq!(refused(&far.clone().credentials("x")), denied, "no TLS");
        assert_eq!(refused(&Cluster::new("tls://10.0.0.1")), denied, "no credentials");
        assert_eq!(
            refused(&Cluster::new("nats://127.0.0.1,nats://10.0.0.1")),
            denied,
            "one of two"
        );
        assert_eq!(refused(&Cluster::new("tls://10.0.0.1").credentials("x")), None);
        assert_eq!(refused(&Cluster::new("tls://me:secret@10.0.0.1")), None);
        assert_eq!(refused(&far.clone().credentials("x").root_certificates("y")), None);
        assert_eq!(refused(&far.insecure()), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let here = || Cluster::new("nats://127.0.0.1");
        let invalid = Some(io::ErrorKind::InvalidInput);
        assert_eq!(refused(&here().namespace("a.b")), invalid);
        assert_eq!(refused(&here().namespace("")), invalid);
        assert_eq!(refused(&here().lease(Duration::ZERO)), invalid);
        assert_eq!(refused(&here().attempts(0)), invalid);
        assert_eq!(refused(&here().reserve(1 << 20)), invalid);
        assert_eq!(refused(&Cluster::new("nats://a:b@127.0.0.1,nats://a:c@127.0.0.1")), invalid);
        assert_eq!(refused(&Cluster::new("nats://127.0.0.1:port")), invalid);
    }

    #[test]
    fn a_password_is_not_shown() {
        let cluster = Cluster::new("nats://me:secret@127.0.0.1:7,nats://me:secret@[::1]:port");
        assert!(!format!("{cluster:?}").contains("secret"), "{cluster:?}");
        assert_eq!(Cluster::new("nats://me:secret@127.0.0.1:7").place(), "127.0.0.1:7");
    }
}
