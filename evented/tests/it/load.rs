//! The example that answers HTTP, by hand and under load.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Records, rounds};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; dropping it kills it.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Where its record lies, which stays behind.
    records: Records,
}

impl Server {
    fn start() -> Self {
        // target/debug/deps/it-... -> target/debug/examples/
        let test = std::env::current_exe().unwrap();
        let built = test.parent().unwrap().join("../examples/evented_http");
        let mut command = Command::new(&built);
        let records = Records::of(&mut command);
        let command = command.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "run {}: {error}; `cargo test --lib --tests` builds no examples",
                built.display()
            )
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').parse();
        let address = address.unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, address, records }
    }

    /// What it answers to these bytes, until it closes the connection or we do.
    fn ask(&self, pieces: &[&str], then: Shutdown) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        // If it closes before it has read all, that is a reset, here and below.
        let is_closed = pieces.iter().any(|piece| stream.write_all(piece.as_bytes()).is_err());
        if then == Shutdown::Write {
            assert!(!is_closed);
            stream.shutdown(then).unwrap();
        }
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert!(
                then == Shutdown::Both && error.kind() == ErrorKind::ConnectionReset,
                "{error}"
            );
        }
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        assert_eq!(self.records.count(), 1, "where it was looked for");
    }
}

/// The answer to a request for the only page.
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";

#[test]
fn requests_come_in_pieces_and_several_at_once() {
    let server = Server::start();
    let twice = server.ask(
        &["GET / HT", "TP/1.1\r\nHost: x\r", "\n\r\nGET /else HTTP/1.1\r\n\r\n"],
        Shutdown::Write,
    );
    let (first, second) = twice.split_at(HELLO.len());
    assert_eq!(first, HELLO);
    assert!(
        second.starts_with("HTTP/1.1 404 ") && second.ends_with("\r\n\r\nthere is nothing here\n")
    );
    // These close the connection: what follows is not answered.
    for last in [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 18\r\n\r\n",
    ] {
        let answer = server.ask(&[last, "GET / HTTP/1.1\r\n\r\n"], Shutdown::Both);
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{last}: {answer}");
    }
    // One that never ends is not kept for ever.
    let mut endless = TcpStream::connect(server.address).unwrap();
    endless.set_write_timeout(Some(PATIENCE)).unwrap();
    let sent = std::iter::repeat_with(|| endless.write(&[b'x'; 1024])).take(100_000);
    assert!(sent.take_while(Result::is_ok).count() < 100_000, "it reads for ever");
    assert_eq!(server.ask(&["GET / HTTP/1.1\r\n\r\n"], Shutdown::Write), HELLO);
}

/// 256 connections that ask as fast as they can, by wrk: for 30 seconds if there is time.
#[test]
fn many_connections_see_no_error() {
    let seconds = rounds(2, 30);
    let server = Server::start();
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", "256", "--timeout", "20s"]);
    wrk.args(["--duration", &format!("{seconds}s"), &format!("http://{}/", server.address)]);
    let Ok(ended) = wrk.stdin(Stdio::null()).output() else {
        // The gate sets this: it has installed it.
        assert!(std::env::var_os("TRIPTYCH_REQUIRE").is_none(), "wrk is required");
        eprintln!("skipped: wrk is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    // It names errors only if there are some.
    for fault in ["Socket errors", "Non-2xx"] {
        assert!(!said.contains(fault), "{said}");
    }
    let requests = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: u64 = requests.and_then(|(count, _)| count.parse().ok()).expect(&said);
    assert!(requests > 0, "{said}");
    eprintln!("{}", said.trim());
}
