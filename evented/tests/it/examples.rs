//! The examples print the known answers.

mod servers;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The digest that both examples print, from (path, content) sorted by path.
fn expected<'a>(items: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut total = Sha256::new();
    for (path, content) in items {
        total.update(format!("{path}\0{}\n", hex(&Sha256::digest(content))));
    }
    hex(&total.finalize())
}

/// What an example prints.
fn run(example: &str, argument: &std::ffi::OsStr) -> String {
    // target/debug/deps/it-... -> target/debug/examples/
    let test = std::env::current_exe().unwrap();
    let built: PathBuf = test.parent().unwrap().join("../examples").join(example);
    let output = Command::new(&built).arg(argument).output().unwrap_or_else(|error| {
        panic!("run {}: {error}; `cargo test --lib --tests` builds no examples", built.display())
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tree_hash() {
    let directory = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 6] = [
        ("a-b", b"before the slash"),
        ("a.txt", b""),
        ("a/b/c", b"deep"),
        ("a/z", b"below"),
        ("b", &[0, 255, 10]),
        ("z z", b"a space"),
    ];
    for (path, content) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    std::fs::create_dir(directory.path().join("empty")).unwrap();
    std::os::unix::fs::symlink("b", directory.path().join("link")).unwrap();
    let line = run("evented_tree_hash", directory.path().as_os_str());
    assert_eq!(line, format!("6 files, {}\n", expected(files)));
}

/// Answers one request: every path is busy the first two times, unknown ones do not exist.
fn answer(mut stream: TcpStream, pages: &[(&str, &[u8])], asked: &Mutex<HashMap<String, u32>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned));
    let Some(path) = path else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let times = {
        let mut asked = asked.lock().unwrap();
        let times = asked.entry(path.clone()).or_default();
        *times += 1;
        *times
    };
    let (status, body): (_, &[u8]) = match pages.iter().find(|(known, _)| *known == path) {
        _ if times <= 2 => ("503 Service Unavailable", b"href=\"/never\""),
        Some((_, body)) => ("200 OK", body),
        None => ("404 Not Found", b"href=\"/never\""),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

#[test]
fn crawl() {
    let pages: [(&str, &[u8]); 4] = [
        ("/", b"<a href=\"/one\">1</a> <a href=\"/two\">2</a> <a href=\"/one\">1</a>"),
        ("/deep", b"\xFF nothing here"),
        ("/one", b"<a href=\"/\">home</a> <a href=\"/missing\">?</a>"),
        ("/two", b"<a href='x'> <a href=\"/deep\">d</a> <a href=\"http://elsewhere/\">e</a>"),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let server = std::thread::spawn(move || {
        let asked = Mutex::new(HashMap::new());
        std::thread::scope(|scope| {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let asked = &asked;
                scope.spawn(move || answer(stream.unwrap(), &pages, asked));
            }
        });
        asked.into_inner().unwrap()
    });
    let line = run("evented_crawl", format!("http://{address}/").as_ref());
    stop.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address).unwrap());
    let asked = server.join().unwrap();
    assert_eq!(line, format!("4 pages, {}\n", expected(pages)));
    assert!(asked.values().all(|&times| times == 3), "each page once after two retries: {asked:?}");
    assert!(!asked.contains_key("/never"));
}

/// What an example without arguments prints.
fn lines(example: &str) -> String {
    run(example, "".as_ref())
}

#[test]
fn priority() {
    assert_eq!(
        lines("evented_priority"),
        "without ranks: 2.27ms\nwith a rank: 10µs\nbehind a task of low rank: 20.00018s\n\
         behind its lock: 180µs\n"
    );
}

#[test]
fn cancel() {
    assert_eq!(
        lines("evented_cancel"),
        "Some(1000003)\n3 requests, all cancelled: true\nErr(Cancelled)\ngiven up: true\n\
         saved all the same: 1\nnumber 1, after 1 ms; tasks left: 0\n"
    );
}

#[test]
fn semaphore() {
    assert_eq!(
        lines("evented_semaphore"),
        "never more than two: true\na third: false\nthen: true\npermits nobody has: 4\n"
    );
}

#[test]
fn event() {
    assert_eq!(
        lines("evented_event"),
        "any finished: false\nworked: true\nworked: true\nseen: [\"loading\", \"ready\"]\n"
    );
}

#[test]
fn locks() {
    assert_eq!(
        lines("evented_locks"),
        "total: 10\ngave up: true\nat once: false\ndoubled: 20\ntrue; left: 0\n"
    );
}

#[test]
fn back_pressure() {
    assert_eq!(
        lines("evented_back_pressure"),
        "sum: 332833500, sent: 1000, never more than 8: true\ndropped: 8, first: Some(0)\n\
         sent before it went: 1\n"
    );
}

#[test]
fn shutdown() {
    assert_eq!(
        lines("evented_shutdown"),
        "ended in order: true\ngone: [\"second\", \"first\"], finished: true\ntoo late: true\n\
         closure finished: true\n"
    );
}

#[test]
fn trace() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.json");
    let text = run("evented_trace", path.as_os_str());
    let has = |part: &str| assert!(text.contains(part), "{part:?} is missing in\n{text}");
    has("watchdog: task ");
    has("\"consumer\" of class RT, spawned at ");
    has("\"stuck\" waits for lock ");
    has("\"holder\" waits for a timer");
    let trace: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let received = events.iter().filter(|event| event["name"] == "received").count();
    assert_eq!(received, 10);
}
