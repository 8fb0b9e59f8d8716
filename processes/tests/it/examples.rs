//! The examples print what is known to be right.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

/// Where cargo has put an example of this package.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(example.exists(), "run `cargo test -p processes`, which builds the examples too");
    example
}

/// What an example prints.
fn output(name: &str, argument: &str) -> String {
    let output = Command::new(path(name)).arg(argument).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn tree_hash() {
    let dir = tempfile::tempdir().unwrap();
    // In the byte order of the relative paths: '-' and '.' come before '/'.
    let files = [
        ("a-b", vec![0; 100_000]),
        ("a.txt", b"dot".to_vec()),
        ("a/deep/x", b"deep".to_vec()),
        ("a/y", Vec::new()),
        ("\u{e9}", b"not ascii".to_vec()),
    ];
    let mut all = Sha256::new();
    for (name, content) in &files {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
        all.update(format!("{name}\0{}\n", hex(&Sha256::digest(content))));
    }
    let expected = format!("5 files, {}\n", hex(&all.finalize()));
    assert_eq!(output("processes_tree_hash", dir.path().to_str().unwrap()), expected);
}

#[test]
fn broadcast() {
    let right = "480000 of 480000 even numbers are the sum of two primes\n\
                 1 table of 1048576 bytes was there for 48 calls\n";
    assert_eq!(output("processes_broadcast", ""), right);
}

/// The pages of the site: path and body; `/flaky` is 503 four times, `/down` always.
const SITE: [(&str, &str); 4] = [
    ("/", "<a href=\"/one\">1</a> <a href=\"/flaky\">f</a> <a href=\"/down\">d</a>"),
    ("/flaky", "<a href=\"/two\">2</a> <a href=\"http://elsewhere/\">no</a>"),
    ("/one", "<a href=\"/\">home</a> <a href=\"/missing\">404</a> <a href=\"/two\">2</a>"),
    ("/two", "the end"),
];

/// What the server has seen.
#[derive(Default)]
struct Site {
    flaky: AtomicUsize,
    down: AtomicUsize,
    over: AtomicBool,
}

/// Answers one request.
fn answer(mut stream: TcpStream, site: &Site) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else { return };
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = first.split(' ').nth(1).unwrap();
    let page = SITE.iter().find(|(known, _)| *known == path);
    let busy = match path {
        "/flaky" => site.flaky.fetch_add(1, Ordering::SeqCst) < 4,
        "/down" => site.down.fetch_add(1, Ordering::SeqCst) < usize::MAX,
        _ => false,
    };
    let (status, body) = match page {
        _ if busy => ("503 Busy", "later"),
        Some((_, body)) => ("200 OK", *body),
        None => ("404 Not Found", "<a href=\"/not-to-be-followed\">x</a>"),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

#[test]
fn crawl() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let site = Arc::new(Site::default());
    let server = thread::spawn({
        let site = Arc::clone(&site);
        move || {
            for stream in listener.incoming() {
                if site.over.load(Ordering::SeqCst) {
                    return;
                }
                answer(stream.unwrap(), &site);
            }
        }
    });
    let mut all = Sha256::new();
    for (path, body) in SITE {
        all.update(format!("{path}\0{}\n", hex(&Sha256::digest(body))));
    }
    let expected = format!("4 pages, {}\n", hex(&all.finalize()));
    let printed = output("processes_crawl", &format!("http://{address}/"));
    site.over.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address).unwrap());
    server.join().unwrap();
    assert_eq!(printed, expected);
    assert_eq!(site.down.load(Ordering::SeqCst), 5, "five attempts");
    assert_eq!(site.flaky.load(Ordering::SeqCst), 5);
}

#[test]
fn semaphore() {
    let expected = "both work, a third may: false\nthe first one: true\n\
                    its permit is back: true\nleft in the end: 2\n";
    assert_eq!(output("processes_semaphore", ""), expected);
}

#[test]
fn shared_memory() {
    let expected = "numbers: 200000\nof 27: 111, longest: Some((382, 156159))\n";
    assert_eq!(output("processes_shared_memory", ""), expected);
}

#[test]
fn single_process() {
    if crate::support::is_sanitized("a limit of addresses") {
        return;
    }
    let expected = "it said: Hello, world!\nfour of them: false\n\
                    alive: true, told to end: true\n\
                    it ended by Some(\"signal: 15 (SIGTERM)\")\nits call: true\n";
    assert_eq!(output("processes_single_process", ""), expected);
}

#[test]
fn callbacks() {
    let expected = "it is 42, and was told to have Returned\nworker lost: true\n\
                    failed: 1\nfinished: 3, not yet: 0\n";
    assert_eq!(output("processes_callbacks", ""), expected);
}

#[test]
fn retries() {
    let expected = "attempts: 2\ngiven up after 3; it wrote: true\nand on: 2\nretried: 3\n\
                    no worker can be started: the initializer failed: a name is needed\n";
    assert_eq!(output("processes_retries", ""), expected);
}

#[test]
fn channel() {
    let expected = "1229 primes, the largest is 9973\n\
                    before it died: Ok(7), then: Err(Disconnected)\n\
                    a crash: true, nothing more: true\ngone: true\n";
    assert_eq!(output("processes_channel", ""), expected);
}

#[test]
fn select() {
    let expected = "at first: []\ntold to go\nsum: 6, one has ended: true\n\
                    call: Ok(()), process: Ok(())\n";
    assert_eq!(output("processes_select", ""), expected);
}

#[test]
fn actors() {
    let expected = "at least twice: [\"be\", \"to\"]\n\
                    then: the actor has ended: it was told to stop\n\
                    a quarter: 25\nnone: true\n\
                    a half, of the state it has begun with: 50\na crash: true\n\
                    and on: 100, start number 3\n";
    assert_eq!(output("processes_actors", ""), expected);
}

#[test]
fn recycling() {
    let expected = "20 calls, 5 for each worker: 4 workers\nsmall, so it stays: true\n\
                    still that one: true\nreplaced: 1, lost: 0\n";
    assert_eq!(output("processes_recycling", ""), expected);
}

#[test]
fn idle_timeout() {
    let expected = "round 1: 385, with up to 2 workers\nprocesses left: 0\n\
                    round 2: 385, with up to 2 workers\nprocesses left: 0\n\
                    and again: 2\nlost: 0\n";
    assert_eq!(output("processes_idle_timeout", ""), expected);
}

#[test]
fn resize() {
    let expected = "1 worker, finished: false\n3 workers, places [0, 1, 2]\n1 worker, sum 4950\n\
                    none: give a pool 0 workers: ask for at least 1, or leave the number out\n";
    assert_eq!(output("processes_resize", ""), expected);
}

#[cfg(feature = "distributed")]
#[test]
fn cluster() {
    use crate::distributed::support::{Broker, Tethered};
    let here = output("processes_cluster", "");
    assert_eq!(here, "26623 takes 307 steps\n");
    let Some(broker) = Broker::start() else { return };
    let arguments = [broker.url().into()];
    let _node = Tethered::start(path("processes_node"), &arguments, None);
    assert_eq!(output("processes_cluster", &broker.url()), here, "one line is different");
    assert!(broker.has_stored("calls"), "it was the nodes that said so");
    let source = include_str!("../../examples/cluster/main.rs");
    let differ = |line: &&str| line.contains("Pool::");
    let lines: Vec<_> = source.lines().map(str::trim).filter(differ).collect();
    assert_eq!(lines, [r#""" => Pool::new(workers)?,"#, "url => Pool::connect(url)?,"]);
}
