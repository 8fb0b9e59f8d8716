//! Tests on several machines: network namespaces of this one, joined by a bridge.
//!
//! ```text
//! test process --- setpriv --- unshare --- test process, pid 1, at the hub (10.77.0.1)
//!                                            |--- nats-server, in the namespace b1 (10.77.0.11)
//!                                            |--- node, in the namespace n1 (10.77.0.21)
//!                                           ...
//! ```
//!
//! Such a test runs once more, in a process that is the first one of namespaces for processes, mounts
//! and networks. All programs that it starts, its addresses, links and files are in those, and the kernel
//! ends them with that process. That one ends with `unshare`, and `unshare` with the thread of the test
//! (`setpriv --pdeathsig`): when it has ended, failed, or was killed. So nothing of it is left, nor
//! does it need a network, or addresses that somebody else has.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::{BOUND, kill, skipped};

/// The name of the test that runs inside.
const INSIDE: &str = "TRIPTYCH_MACHINES";

/// Everything of a test is ended after this time; less than `slow-timeout` in `.config/nextest.toml`.
const LIMIT: Duration = Duration::from_mins(5);

/// The files of a test. Only it sees them: they are in a file system of its own.
pub(crate) const FILES: &str = "/run/machines";

/// What has to work for all this.
const PROBE: &str = "mount -t tmpfs tmpfs /run && ip netns add a && \
    ip link add bridge type bridge && ip link add v type veth peer name eth0 netns a && \
    nsenter --net=/run/netns/a ip link set eth0 up && nats-server --version && openssl version";

/// Runs a test at the hub of a network of its own; where that cannot be, says so and does nothing.
/// `test` is its full name.
pub(crate) fn run(test: &str, body: impl FnOnce(&Network)) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return body(&Network::new());
    }
    if let Some(why) = missing() {
        return said_once(why);
    }
    let me = std::env::current_exe().unwrap();
    let mut command = apart();
    command.arg(me).args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, test);
    let (output, in_time) = output_within(command, LIMIT);
    let (said, error) = (text(&output.stdout), text(&output.stderr));
    // Otherwise it might have another name.
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed && in_time, "in time: {in_time}, {}\n{said}\n{error}", output.status);
    print!("{error}");
}

/// A command that runs what follows in namespaces of its own, which end with this thread.
fn apart() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.stdin(Stdio::null());
    command
}

/// What a command says. Its pipes are read to their ends: nobody has them any more, so everything that
/// was started by it has ended, too. False when it was ended after `limit`.
fn output_within(mut command: Command, limit: Duration) -> (Output, bool) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    thread::scope(|scope| {
        let (send, ended) = mpsc::channel();
        scope.spawn(move || send.send(child.wait_with_output().unwrap()));
        let output = ended.recv_timeout(limit);
        let in_time = output.is_ok();
        let output = output.or_else(|_late| {
            kill(pid);
            ended.recv()
        });
        (output.unwrap(), in_time)
    })
}

/// Why there can be no such machines, if so.
fn missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let missing = MISSING.get_or_init(|| {
        let output = apart().args(["sh", "-c", PROBE]).output();
        match output {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(text(&output.stderr).lines().next().unwrap_or("no").to_owned()),
            Err(error) => Some(format!("setpriv: {error}")),
        }
    });
    missing.as_deref()
}

/// Says why tests are skipped; once for all, and also when the output of tests is not shown. Fails where
/// machines are required.
fn said_once(why: &str) {
    static SAID: OnceLock<()> = OnceLock::new();
    let needs = "nats-server, iproute2, util-linux, openssl and the right to make namespaces";
    let why = format!("tests on several machines need {needs}: {why}");
    let line = skipped(std::env::var("TRIPTYCH_REQUIRE").ok().as_deref(), "machines", &why) + "\n";
    SAID.get_or_init(|| std::io::stderr().write_all(line.as_bytes()).unwrap());
}

/// Bytes as text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs commands of the shell, of which each has to work.
pub(crate) fn sh(script: &str) {
    let output = Command::new("sh").args(["-e", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", text(&output.stderr));
}

/// The network of this test; its process is at the hub.
pub(crate) struct Network(());

impl Network {
    /// Brokers are b1 to b3, nodes n1 to n5; all know each other by name.
    fn new() -> Self {
        sh("mount -t tmpfs tmpfs /run; ip link set lo up; ip link add hub type bridge; \
            ip addr add 10.77.0.1/24 dev hub; ip link set hub up; mkdir /run/machines");
        let machines = (1..=5).flat_map(|n| [('b', n), ('n', n)]);
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for name in machines.map(|(kind, n)| format!("{kind}{n}")) {
            hosts.push_str(&[&address(&name), " ", &name, "\n"].concat());
        }
        std::fs::write("/run/hosts", hosts).unwrap();
        sh("mount --bind /run/hosts /etc/hosts");
        Self(())
    }

    /// Adds a machine: `b` or `n`, and a digit.
    #[expect(clippy::unused_self, reason = "without a network there are no machines")]
    pub(crate) fn machine(&self, name: &str) -> Machine {
        let address = address(name);
        sh(&format!(
            "ip netns add {name}; ip link add v{name} type veth peer name eth0 netns {name}; \
             ip link set v{name} master hub up; ip -n {name} link set lo up; \
             ip -n {name} addr add {address}/24 dev eth0; ip -n {name} link set eth0 up"
        ));
        Machine { name: name.to_owned() }
    }
}

/// The address of a machine.
pub(crate) fn address(name: &str) -> String {
    let (kind, number) = name.split_at(1);
    format!("10.77.0.{}{number}", if kind == "b" { 1 } else { 2 })
}

/// A machine: a namespace of the network.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Its name.
    pub(crate) name: String,
}

impl Machine {
    /// Where its namespace is, for [`enter`].
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// A program that runs on it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Nothing reaches it any more, and nobody is told.
    pub(crate) fn cut(&self) {
        sh(&format!("ip link set v{} nomaster", self.name));
    }

    /// It is reached again.
    pub(crate) fn mend(&self) {
        sh(&format!("ip link set v{} master hub", self.name));
    }
}

/// Moves this thread, and what it will start, to a machine.
pub(crate) fn enter(path: &Path) {
    let namespace = File::open(path).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

#[test]
fn machines_are_apart_until_they_are_joined() {
    run("distributed::machines::machines_are_apart_until_they_are_joined", |network| {
        let (one, two) = (network.machine("n1"), network.machine("n2"));
        let hears = |seconds: u64| {
            let there = one.path();
            let heard = thread::scope(|scope| {
                scope
                    .spawn(move || {
                        enter(&there);
                        let to = "10.77.0.22:9".parse().unwrap();
                        std::net::TcpStream::connect_timeout(&to, Duration::from_secs(seconds))
                            .map_err(|error| error.kind())
                    })
                    .join()
            });
            heard.unwrap().map(drop)
        };
        // Nobody listens there, which the other machine says.
        assert_eq!(hears(20), Err(ErrorKind::ConnectionRefused));
        two.cut();
        assert_eq!(hears(1), Err(ErrorKind::TimedOut));
        two.mend();
        assert_eq!(hears(20), Err(ErrorKind::ConnectionRefused));
    });
}

#[test]
fn all_of_it_ends_with_its_first_process() {
    if let Some(why) = missing() {
        return said_once(why);
    }
    // The sleeping one has left its session and has the pipe; that ends, so it has.
    let mut command = apart();
    command.args(["sh", "-c", "setsid sleep 600 & echo up; setsid sleep 600"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (send, said) = mpsc::channel();
    let reader =
        thread::spawn(move || output.lines().try_for_each(|line| send.send(line.unwrap())));
    let up = said.recv_timeout(BOUND);
    kill(child.id());
    assert!(!child.wait().unwrap().success());
    assert_eq!(up.as_deref(), Ok("up"));
    assert_eq!(
        said.recv_timeout(BOUND),
        Err(mpsc::RecvTimeoutError::Disconnected),
        "all has ended"
    );
    reader.join().unwrap().unwrap();
}
