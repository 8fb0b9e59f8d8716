//! The example programs give known answers.

use crate::support::in_time;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// Names and contents.
type Pages = BTreeMap<String, Vec<u8>>;

/// What an example prints, given this argument.
fn run(example: &str, argument: impl AsRef<OsStr>) -> String {
    // Tests are in `deps`, beside the folder that `cargo test` builds examples into.
    let tests = env::current_exe().unwrap();
    let target: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples");
    let program = target.join(format!("{example}{}", env::consts::EXE_SUFFIX));
    let output = Command::new(&program).arg(argument).output();
    let output = output.unwrap_or_else(|error| panic!("run {}: {error}", program.display()));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The answer to both: how many entries, and the digest of all of them.
fn answer(noun: &str, entries: &Pages) -> String {
    let lines = entries.iter().map(|(name, content)| format!("{name}\0{}\n", hex(content)));
    format!("{} {noun}, {}\n", entries.len(), hex(lines.collect::<String>().as_bytes()))
}

/// A table of literals.
fn pages<const N: usize>(literals: [(&str, &[u8]); N]) -> Pages {
    literals.map(|(name, content)| (name.to_owned(), content.to_vec())).into()
}

#[test]
fn the_reference_is_right() {
    let entries = pages([("a", b"abc")]);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex(b"abc"), abc);
    let all = hex(format!("a\0{abc}\n").as_bytes());
    assert_eq!(answer("files", &entries), format!("1 files, {all}\n"));
}

#[test]
fn tree_hash() {
    let directory = tempfile::tempdir().unwrap();
    // In the order of the bytes, `a-/x` comes before `a/x`.
    let large = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let mut entries = pages([("a-/x", b"one"), ("a/x", b"two"), ("empty", b""), ("z", b"three")]);
    entries.insert("a/deep/er/y".to_owned(), large);
    for (name, content) in &entries {
        let file = directory.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    fs::create_dir(directory.path().join("no files")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("z", directory.path().join("link")).unwrap();
    assert_eq!(run("threads_tree_hash", directory.path()), answer("files", &entries));
    assert_eq!(
        run("threads_tree_hash", directory.path().join("no files")),
        answer("files", &Pages::new())
    );
}

/// The examples of queues, primitives and threads take no argument.
#[test]
fn queues_and_primitives() {
    let expected = [
        ("await", "text, pictures left out: true, request: Ok(())\n"),
        ("queue", "total: 435\nafter the end: queue is shut down and empty\n"),
        ("condition", "left: 10\nenough: false, there are 10\n"),
        (
            "semaphore",
            "never more than two: true\na third: None\nreleased too often: more permits were \
             released than were acquired; one that is dropped releases itself\n",
        ),
        (
            "event",
            "both are ready; any finished: false\nstop after a while: true\nworked: true\n\
             worked: true\n",
        ),
        (
            "locks",
            "total: 10\ngave up: true\njob panicked: half way; poisoned: true\nrepaired: 10\n\
             files: 17\n",
        ),
        (
            "queue_orders",
            "no place for the fourth\n[\"third\", \"second\"]\n3: fire\n3: smoke\n2: water\n\
             1: door open\nqueue stayed empty until the time limit\n",
        ),
        ("timer", "cancelled: true\nlater\nagain\nagain\nagain\ntoo late to cancel: true\n"),
        (
            "named_threads",
            "has a number: true\nrunning: [\"slow\"], 1\nalive: true\nresult: 42\nfaulty \
             panicked: out of cheese\nerror: job panicked: out of cheese\nall ended: true\n",
        ),
    ];
    for (example, lines) in expected {
        assert_eq!(run(&format!("threads_{example}"), ""), lines, "{example}");
    }
    // The action shows the cells after the first and the second half of each step.
    let barrier = run("threads_barrier", "");
    let steps = ["[1, 2, 3]", "[6, 7, 8]", "[6, 7, 8]", "[21, 22, 23]", "[21, 22, 23]"];
    assert!(barrier.starts_with(&(steps.join("\n") + "\n[66, 67, 68]\nalone: ")), "{barrier}");
    assert!(barrier.ends_with("then: barrier is broken\nbroken after a reset: false\n"));
}

/// Answers one request; `counts` has them per path.
fn serve(mut stream: &TcpStream, pages: &Pages, counts: &mut BTreeMap<String, u32>) {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let request = lines.next().unwrap();
    assert!(lines.any(|line| line.is_empty()), "the whole head was sent");
    let path = request.strip_prefix("GET ").unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let tried = counts.entry(path.to_owned()).or_default();
    *tried += 1;
    let (status, body) = match pages.get(path) {
        _ if path == "/down" || (path == "/busy" && *tried < 5) => {
            ("503 Busy", &b"href=\"/no\""[..])
        }
        Some(body) => ("200 OK", &body[..]),
        None => ("404 Not Found", &b"href=\"/no\""[..]),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

#[test]
fn crawl() {
    let links = (0..50).map(|x| format!("<a href=\"/page/{x}\">{x}</a>\n"));
    let many = links.reduce(|links, link| links + &link).unwrap();
    let mut pages = pages([
        ("/", br#"<a href="/many">m</a> <a href="/busy">b</a> <a href="http://x/">x</a>"#),
        ("/many", many.as_bytes()),
        ("/busy", br#"<a href="/">again</a> <a href="/gone">g</a> <a href="/down">d</a>"#),
    ]);
    for name in (0..50).map(|x| format!("/page/{x}")) {
        let body = format!("this is {name}: <a href=\"/many\">up</a>");
        pages.insert(name, body.into_bytes());
    }
    let expected = answer("pages", &pages);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (printed, tries) = in_time(move || {
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let mut tries = BTreeMap::new();
                for stream in listener.incoming().map(Result::unwrap) {
                    let mut first = [0];
                    if stream.peek(&mut first).unwrap_or(0) == 0 {
                        return tries; // The connection that ends the test.
                    }
                    serve(&stream, &pages, &mut tries);
                }
                tries
            });
            let printed = run("threads_crawl", format!("http://127.0.0.1:{port}/"));
            drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
            (printed, server.join().unwrap())
        })
    });
    assert_eq!(printed, expected);
    assert!(!tries.contains_key("/no"), "only pages that were there are followed");
    for (path, count) in tries {
        assert_eq!(count, if path == "/busy" || path == "/down" { 5 } else { 1 }, "{path}");
    }
}

/// Those of the executor, which print the same each time.
#[test]
fn executor() {
    let expected = [
        (
            "handles",
            "result: 42\npanic: out of cheese\nstill running\ncancelled: true, false\ndone: 2\n0: true\n1: true\n",
        ),
        ("callbacks", "outcome: Returned\nproduct: 42\nCallback: a callback\nstill called\n"),
        ("priorities", "answer a ping\nrender a page\nindex the archive\n"),
        ("back_pressure", "sum: 332833500\nfirst: [1, 2, 3, 4, 5]\n"),
        ("cancel", "Some(1000003)\nstopped\ntrue\n"),
        (
            "fork_join",
            "sorted: true\nlongest word: broadcast\nworkers: [0, 1]\n\
             panicked: Some(\"out of cheese\")\n",
        ),
        ("worker_state", "digits: 2893\ntotal: 500500\n"),
        ("blocking", "answers: 45, workers: 1\n"),
        ("inline", "published home\npublished news\n"),
        (
            "maps",
            "[5, 6, 3]\nSome(10000)\n3 (job panicked: attempt to divide by zero) 4 \n\
             early: [1, 2]\nin time: false\nlate: Some(0)\n",
        ),
        (
            "resize",
            "[\"crew-0\", \"crew-1\", \"crew-2\"]\nworkers: 1, running: 3, queued: 1\n\
             too many: give a pool 5 workers: the most is 4 as its `max_workers` says\ndone: 7\n",
        ),
        (
            "slices",
            "[4, 5, 5, 3]\nprimes: Some(1229)\nfound: Some(1000003)\n[10, 30, 60, 100, 150, 210]\n\
             [0, 0, 0, 1, 1, 1]\n0 tree, 1 apple, 2 stone, 3 bee\n[200, 360]\n\
             Err(\"x: invalid digit found in string\")\n\
             [\"apple\", \"bee\", \"stone\", \"tree\"]\n[\"bee\", \"tree\", \"apple\", \"stone\"]\n",
        ),
        (
            "shutdown",
            "run: 10, finished: true\nnot run: 10\ncancelled: true\nstill run: 10\n\
             run by the child: true\n",
        ),
    ];
    for (example, printed) in expected {
        assert_eq!(run(&format!("threads_{example}"), ""), printed, "{example}");
    }
}
