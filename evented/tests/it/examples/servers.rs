//! Examples that go on until they are told to end, and those that start others.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{BOUND, Records};

/// A program that runs, with what it prints. Killed at the end of the test.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where its records lie, which stay behind when it is killed.
    _records: Records,
}

impl Running {
    fn start(example: &str, arguments: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let built: PathBuf = test.parent().unwrap().join("../examples").join(example);
        let mut command = Command::new(&built);
        let records = Records::of(&mut command);
        command.args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "run {}: {error}; `cargo test --lib --tests` builds no examples",
                built.display()
            )
        });
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, _records: records }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// A server, and a way to connect to it.
    fn server(example: &str) -> (Self, impl Fn() -> Guest) {
        let mut server = Self::start(example, &["127.0.0.1:0"]);
        let line = server.line();
        let address: SocketAddr = line.strip_prefix("listening on ").unwrap().parse().unwrap();
        (server, move || Guest(BufReader::new(TcpStream::connect(address).unwrap())))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has ended, that is what was wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Somebody who is connected.
struct Guest(BufReader<TcpStream>);

impl Guest {
    fn says(&mut self, line: &str) {
        self.0.get_ref().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, wanted: &str) {
        self.0.get_ref().set_read_timeout(Some(BOUND)).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }
}

#[test]
fn chat() {
    let (_server, connect) = Running::server("evented_chat");
    let (mut anna, mut ben, mut again) = (connect(), connect(), connect());
    anna.says("anna");
    anna.hears("* anna is here");
    ben.says("ben");
    ben.hears("* ben is here");
    anna.hears("* ben is here");
    again.says("anna");
    again.hears("* that name will not do");
    again.hears("");
    ben.says("hello");
    anna.hears("ben: hello");
    ben.hears("ben: hello");
    drop(ben);
    anna.hears("* ben has left");
    // Who does not read is sent away, and the others are not held up.
    let mut sleeper = connect();
    // Soon full, also where the system has much room for those who do not say how much they want.
    set_socket_recv_buffer_size(sleeper.0.get_ref(), 4_096).unwrap();
    sleeper.says("sleeper");
    anna.hears("* sleeper is here");
    let line = "x".repeat(900);
    let start = std::time::Instant::now();
    loop {
        assert!(start.elapsed() < BOUND, "the sleeper is still there");
        anna.says(&line);
        let mut heard = String::new();
        anna.0.read_line(&mut heard).unwrap();
        if heard == "* sleeper has left\n" {
            break;
        }
    }
}

#[test]
fn echo() {
    let (_server, connect) = Running::server("evented_echo");
    let mut guests: Vec<Guest> = (0..20).map(|_| connect()).collect();
    for (n, guest) in guests.iter_mut().enumerate() {
        guest.says(&format!("guest {n}"));
    }
    for (n, guest) in guests.iter_mut().enumerate() {
        guest.hears(&format!("guest {n}"));
        guest.0.get_ref().shutdown(Shutdown::Write).unwrap();
        guest.hears("");
    }
}

#[test]
fn children() {
    let commands = ["echo one; echo two", "exit 3", "exec sleep 1000", "kill -KILL $$"];
    let mut program = Running::start("evented_children", &[&["0.5"], &commands[..]].concat());
    // The limit is only for the one that never ends; on a slow machine it may hit others.
    let lines: Vec<String> = commands.iter().map(|_| program.line()).collect();
    let wanted = [
        "echo one; echo two: exit status: 0, \"one\\ntwo\"",
        "exit 3: exit status: 3, \"\"",
        "exec sleep 1000: killed, time was over",
        "kill -KILL $$: signal: 9 (SIGKILL), \"\"",
    ];
    for (line, wanted) in lines.iter().zip(wanted) {
        let command = wanted.split_once(": ").unwrap().0;
        assert!(line == wanted || *line == format!("{command}: killed, time was over"), "{line}");
    }
    assert_eq!(lines[2], wanted[2]);
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn signals() {
    let (mut server, connect) = Running::server("evented_signals");
    let (mut one, mut other) = (connect(), connect());
    for guest in [&mut one, &mut other] {
        guest.says("hello");
        guest.hears("you said hello");
    }
    server.signal(Signal::USR1);
    assert_eq!(server.line(), "2 conversations");
    drop(other);
    server.signal(Signal::TERM);
    assert_eq!(server.line(), "SIGTERM: no new conversations");
    one.hears("goodbye");
    one.hears("");
    assert_eq!(server.line(), "ended, 0 cut off");
    assert!(server.child.wait().unwrap().success());
}
