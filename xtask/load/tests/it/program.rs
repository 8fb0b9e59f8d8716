//! The program: its arguments, its lifeline, and life without descriptors.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, LIMIT};

/// Options that make a site; what is said again later wins.
const OPTIONS: [&str; 9] =
    ["site", "--seed", "1", "--pages", "100", "--hosts", "2", "--median-us", "100"];

/// A program that serves.
#[derive(Debug)]
pub(crate) struct Program {
    /// The process; none once it was waited for.
    child: Option<Child>,
    /// Its lifeline.
    stdin: Option<ChildStdin>,
    /// Where it listens.
    addr: SocketAddr,
}

impl Program {
    /// Starts it with [`OPTIONS`] and `more`, and waits until it is ready.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_load")).args(OPTIONS).args(more))
    }

    /// Starts it by `command`.
    fn start_as(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        // One byte at a time, to leave what follows for `wait_with_output`.
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::with_capacity(1, stdout).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"], true);
        let addr = ready["addr"].as_str().unwrap().parse().unwrap();
        let stdin = child.stdin.take();
        Self { child: Some(child), stdin, addr }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends its standard input, and checks that it ends in order and in silence.
    pub(crate) fn end(self) {
        let output = self.output();
        assert_eq!(text(&output), (Some(0), String::new(), String::new()));
    }

    /// Ends its standard input, and returns what it said from then on.
    fn output(mut self) -> Output {
        drop(self.stdin.take());
        output_of(self.child.take().unwrap())
    }

    /// The process id.
    #[cfg(target_os = "linux")]
    fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// What its descriptors are, in one listing: a descriptor that is closed meanwhile is not in it.
    #[cfg(target_os = "linux")]
    fn descriptors(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap();
        entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect()
    }

    /// How many descriptors it has open once the listening socket is the only one.
    #[cfg(target_os = "linux")]
    pub(crate) fn idle_descriptors(&self) -> usize {
        let mut open = Vec::new();
        crate::client::wait_until("no connection is left", || {
            open = self.descriptors();
            open.iter().filter(|target| target.to_string_lossy().contains("socket:")).count() == 1
        });
        open.len()
    }

    /// How much processor time it has used, in ticks of typically 10 ms (`proc_pid_stat(5)`).
    #[cfg(target_os = "linux")]
    fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        // User and system time are fields 14 and 15; the first one here is field 3.
        fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// Waits for the end of `child`, which is killed if it does not come.
fn output_of(child: Child) -> Output {
    let id = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    let waiter = thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let output = receiver.recv_timeout(LIMIT);
    if output.is_err() {
        kill_process(id, Signal::KILL).unwrap();
    }
    waiter.join().unwrap().unwrap();
    output.expect("the program ends in time")
}

/// Runs the program to its end, its standard input from `stdin`.
fn run(arguments: &[&str], stdin: Stdio) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    let command = command.args(arguments).stdin(stdin);
    output_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The exit code and what was written.
fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_serves_until_standard_input_ends() {
    let mut program = Program::start(&[]);
    let addr = program.addr();
    assert!(addr.ip().is_loopback());
    program.stdin.as_mut().unwrap().write_all(b"not the end yet\n").unwrap();
    let mut client = Client::connect(addr);
    client.request("GET", "/p/1", "h1.test", 3);
    assert_eq!(client.answer().status, 200);
    program.end();
    assert!(client.is_at_end());
    assert!(TcpStream::connect(addr).is_err());
}

/// An answer that is due in a minute does not hold it up for a minute.
#[test]
fn it_ends_with_a_request_in_flight() {
    let program = Program::start(&["--median-us", "60000000", "--sigma", "0"]);
    let mut client = Client::connect(program.addr());
    client.request("GET", "/p/1", "h1.test", 3);
    crate::client::wait_until("in flight", || {
        crate::client::stats(program.addr()).peak_in_flight == 1
    });
    program.end();
    assert!(client.try_answer().is_err());
}

#[test]
fn a_standard_input_without_content_has_ended() {
    let (code, stdout, stderr) = text(&run(&OPTIONS, Stdio::null()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.starts_with("{\"ready\":true,\"addr\":\"127.0.0.1:") && stdout.ends_with("\"}\n")
    );
}

#[test]
fn wrong_arguments_are_refused_in_one_line() {
    let with = |more: &[&'static str]| [&OPTIONS, more].concat();
    let cases = [
        (vec![], "find a command"),
        (vec!["serve"], "run `serve`"),
        (vec!["--seed", "1"], "'--seed'"),
        (vec!["site"], "find the option --seed"),
        (OPTIONS[..7].to_vec(), "find the option --median-us"),
        (with(&["--pages"]), "--pages"),
        (with(&["--pages", "many"]), "--pages"),
        (with(&["--pages", "-1"]), "--pages"),
        (with(&["--pages", "0"]), "pages is 0"),
        (with(&["--hosts", "101"]), "hosts is 101"),
        (with(&["--sigma", "NaN"]), "sigma is NaN"),
        (with(&["--median-us", "60000001"]), "median latency"),
        (with(&["--error-permille", "1001"]), "error_permille is 1001"),
        (with(&["--per-host", "0"]), "--per-host"),
        (with(&["--port", "1"]), "'--port'"),
        (with(&["more"]), "more"),
    ];
    for (arguments, part) in cases {
        let (code, stdout, stderr) = text(&run(&arguments, Stdio::null()));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.starts_with("load: failed to ") && stderr.contains(part), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn help_is_given() {
    for arguments in [vec!["--help"], vec!["site", "-h"]] {
        let (code, stdout, stderr) = text(&run(&arguments, Stdio::null()));
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(stdout.contains("Usage: load site --seed N"));
    }
}

/// Without descriptors, connections wait in the backlog and the processor is left alone; as soon as
/// there are some again, they are served.
#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_it_pauses() {
    let limited = "ulimit -n 16; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_load")]).args(OPTIONS);
    let program = Program::start_as(&mut command);
    let mut clients: Vec<Client> = (0..40).map(|_| Client::connect(program.addr())).collect();
    for client in &mut clients {
        client.request("GET", "/stats", "h", 0);
    }
    assert_eq!(clients[0].answer().status, 200);
    let before = program.cpu_ticks();
    let half_a_second = std::time::Duration::from_millis(500);
    clients[39].stream().set_read_timeout(Some(half_a_second)).unwrap();
    assert!(clients[39].stream().read(&mut [0]).is_err(), "there is no room for the last one");
    let used = program.cpu_ticks() - before;
    assert!(used <= 10, "{used} ticks for doing nothing");
    let mut last = clients.pop().unwrap();
    last.stream().set_read_timeout(Some(LIMIT)).unwrap();
    drop(clients);
    assert_eq!(last.answer().status, 200);
    drop(last);
    let (code, _, stderr) = text(&program.output());
    assert_eq!((code, stderr.lines().count()), (Some(0), 1), "{stderr}");
    assert!(stderr.starts_with("load: failed to accept a connection"), "{stderr}");
}
