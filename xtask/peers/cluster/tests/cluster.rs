//! A cluster is there as long as it is needed, and nothing is left of it, whoever is killed.
//!
//! This program has no test harness: it is also what the cluster starts.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Write as _, stdin, stdout},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use cluster::Cluster;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Anything that takes longer is taken for a hang.
const BOUND: Duration = Duration::from_secs(30);

/// The first argument of a program that has a cluster.
const OWNER: &str = "--owner";

fn main() -> ExitCode {
    if let Some(end) = cluster::run(node) {
        return end;
    }
    if env::args().nth(1).as_deref() == Some(OWNER) {
        return owner();
    }
    if !cluster::is_installed() {
        let said = Cluster::start(&[]).expect_err("there is no broker");
        assert_eq!(said, cluster::HINT);
        println!("skipped: {said}");
        return ExitCode::SUCCESS;
    }
    ends_in_good_order();
    for kill in [Kill::Owner, Kill::Group] {
        ends_with_its_owner(kill);
    }
    println!("all passed");
    ExitCode::SUCCESS
}

/// A stand-in for a node: it waits until it is told to end, having noted who it is.
#[expect(clippy::needless_pass_by_value, reason = "nodes get their arguments by value")]
fn node(arguments: Vec<OsString>) -> u8 {
    let folder = env::var_os(Cluster::FOLDER).expect("it is told of the folder");
    let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    eprintln!("here I am");
    assert!(words[0].starts_with("nats://127.0.0.1:") && words[1..] == ["--slots", "3"]);
    let note = Path::new(&folder).join(format!("node-{}", std::process::id()));
    fs::write(note, "").expect("the folder can be written to");
    loop {
        thread::park();
    }
}

/// A program with a cluster, which it says something about, and then waits.
fn owner() -> ExitCode {
    let cluster = Cluster::start(&[3, 3]).expect("it starts");
    let pids = cluster.node_pids().chain([cluster.broker_pid()]);
    let pids: Vec<_> = pids.map(|pid| pid.to_string()).collect();
    println!("{} {}", cluster.folder().display(), pids.join(" "));
    stdout().flush().expect("it is heard");
    stdin().read_line(&mut String::new()).ok();
    ExitCode::SUCCESS
}

/// Waits until `condition` holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < BOUND, "still waiting: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Whether a process is there and no zombie.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Nodes and broker are there until the cluster is stopped.
fn ends_in_good_order() {
    let cluster = Cluster::start(&[3, 3]).expect("it starts");
    let address = cluster.url().trim_start_matches("nats://").to_owned();
    assert!(TcpStream::connect(&address).is_ok(), "it listens at {address}");
    let (folder, broker) = (cluster.folder().to_owned(), cluster.broker_pid());
    let nodes: Vec<_> = cluster.node_pids().collect();
    wait_until("the nodes are there", || {
        nodes.iter().all(|node| folder.join(format!("node-{node}")).exists())
    });
    assert_eq!(cluster.last_words(), "here I am");
    assert!(cluster::cpu_ns(broker).is_none_or(|ns| ns > 0));
    // This stand-in does nothing about SIGTERM, so it does not end well.
    let why = cluster.stop().expect_err("a node was ended by a signal");
    assert_eq!(why, "a node did not end in good order");
    assert!(!is_alive(broker) && !nodes.iter().any(|&node| is_alive(node)), "all have ended");
    assert!(!folder.exists(), "{} is left", folder.display());
    assert!(TcpStream::connect(&address).is_err());
}

/// Who is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// The program alone.
    Owner,
    /// All of its process group, as the harness does.
    Group,
}

/// Whoever is killed, nothing is left.
fn ends_with_its_owner(kill: Kill) {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(env::current_exe().expect("it is known"));
    command.arg(OWNER).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut owner = command.spawn().expect("it starts");
    let (folder, pids) = heard(&mut owner);
    assert!(folder.exists() && pids.len() == 3 && pids.iter().all(|&pid| is_alive(pid)));
    let pid = Pid::from_child(&owner);
    match kill {
        Kill::Owner => kill_process(pid, Signal::KILL),
        Kill::Group => kill_process_group(pid, Signal::KILL),
    }
    .expect("it is there");
    owner.wait().expect("it was started here");
    wait_until("all have ended", || !pids.iter().any(|&pid| is_alive(pid)));
    wait_until("the folder is gone", || !folder.exists());
}

/// What an owner says: the folder and the processes.
fn heard(owner: &mut Child) -> (PathBuf, Vec<u32>) {
    let mut line = String::new();
    let said = owner.stdout.take().expect("it is piped");
    BufReader::new(said).read_line(&mut line).expect("it says something");
    let (folder, pids) = line.trim().split_once(' ').expect("a folder and processes");
    let pids = pids.split(' ').map(|pid| pid.parse().expect("it is a number"));
    (folder.into(), pids.collect())
}
