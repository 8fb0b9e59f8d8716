//! The files of records: where they are, what is left of them, and what happens without.

use std::fs;
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use evented::record::{Record, RecorderSpec, Recording, TaskState, What};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use evented::{Reactor, Spawn, block_on, spawn, spawn_with, yield_now};

use crate::support::in_own_process;

/// Set in the environment of a process of this test.
const ROLE: &str = "EVENTED_TEST_RECORD";

/// The file of a reactor.
fn file_of(reactor: &Reactor) -> PathBuf {
    match reactor.recording() {
        Recording::File(path) => path,
        other => panic!("{other:?}"),
    }
}

/// Starts the test called `name` in a process of its own, in which the files lie in `place`.
fn start(name: &str, place: &Path, through: &[&str]) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut words: Vec<_> = through.iter().map(std::ffi::OsString::from).collect();
    words.push(own.into());
    Command::new(&words[0])
        .args(&words[1..])
        .args([&format!("record::files::{name}"), "--exact", "--test-threads=1", "--nocapture"])
        .env("XDG_RUNTIME_DIR", place.join("runtime"))
        .env("TMPDIR", place.join("temporary"))
        .env(ROLE, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn has_role() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// The files in a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .map_or_else(|_| Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

#[test]
fn only_this_user_may_read_it_and_it_is_gone_in_the_end() {
    let reactor = Reactor::new().unwrap();
    let path = file_of(&reactor);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let task = reactor.spawn_with(Spawn::new().name("inside"), pending::<()>());
    let record = Record::open(&path).unwrap();
    let dump = record.dump();
    assert_eq!((dump.process, dump.tasks.len()), (std::process::id(), 1));
    assert_eq!(dump.named("inside").next().unwrap().id, task.id());
    assert_eq!(record.events(), reactor.record().events());
    // A task that outlives its reactor keeps nothing of it.
    drop(reactor);
    assert!(!path.exists());
    drop(task);
}

#[test]
fn in_memory_there_is_no_file() {
    let spec = RecorderSpec::new().in_memory();
    let reactor = Reactor::builder().recorder(spec).build().unwrap();
    assert_eq!(reactor.recording(), Recording::Memory(None));
    reactor.block_on(async { spawn(async {}).await.unwrap() });
    assert!(!reactor.record().events().is_empty());
}

/// It blocks for ever, and is killed.
#[test]
fn a_killed_process_leaves_its_record_behind() {
    if has_role() {
        return block_on(async {
            let waits = spawn_with(Spawn::new().name("waits"), pending::<()>());
            let blocks = spawn_with(Spawn::new().name("blocks"), async {
                println!("\nblocks");
                loop {
                    std::thread::park();
                }
            });
            yield_now().await;
            drop((waits, blocks));
        });
    }
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("runtime")).unwrap();
    let mut child = start("a_killed_process_leaves_its_record_behind", place.path(), &[]);
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "blocks"));
    child.kill().unwrap();
    child.wait().unwrap();
    let left = files(&place.path().join("runtime/evented"));
    assert_eq!(left.len(), 1, "{left:?}");
    let record = Record::open(&left[0]).unwrap();
    let dump = record.dump();
    assert_eq!(dump.process, child.id());
    let state = |name: &str| dump.named(name).next().unwrap().state;
    assert!(matches!(state("blocks"), TaskState::Running(_)), "{dump}");
    assert_eq!(state("waits"), TaskState::Waiting, "{dump}");
    assert!(record.events().iter().any(|event| matches!(event.what, What::Poll { .. })));
    // The next process leaves it there for those who want to know, and takes its own away.
    let mut next = start("only_this_user_may_read_it_and_it_is_gone_in_the_end", place.path(), &[]);
    assert!(next.wait().unwrap().success());
    assert_eq!(files(&place.path().join("runtime/evented")), left);
}

/// Neither directory is there: it works, and says why there is no file.
#[test]
fn without_a_place_it_stays_in_memory() {
    if has_role() {
        let reactor = Reactor::new().unwrap();
        let Recording::Memory(Some(reason)) = reactor.recording() else {
            panic!("{:?}", reactor.recording());
        };
        println!("\nin memory: {reason}");
        reactor.block_on(async { spawn(async {}).await.unwrap() });
        assert!(!reactor.record().events().is_empty());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mut child = start("without_a_place_it_stays_in_memory", place.path(), &[]);
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> = output.lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("in memory: ")), "{lines:?}");
    assert_eq!(files(place.path()), [] as [PathBuf; 0]);
    // The second choice.
    fs::create_dir(place.path().join("temporary")).unwrap();
    let mut child =
        start("only_this_user_may_read_it_and_it_is_gone_in_the_end", place.path(), &[]);
    assert!(child.wait().unwrap().success());
    let made = files(&place.path().join("temporary"));
    let name = format!("evented-{}", rustix::process::geteuid().as_raw());
    assert_eq!(made, [place.path().join("temporary").join(name)]);
}

/// A file system without room for the ring, and one without room for a second part of the table.
#[test]
fn a_full_file_system_is_no_error() {
    if has_role() {
        let reactor = Reactor::new().unwrap();
        let tasks: Vec<_> = (0..3_000).map(|_| reactor.spawn(pending::<()>())).collect();
        let dump = reactor.dump();
        assert_eq!(dump.tasks.len(), 3_000, "all of them are seen from inside");
        match reactor.recording() {
            Recording::Memory(Some(reason)) => println!("\nfull at once: {reason}"),
            Recording::File(path) => {
                let outside = Record::open(&path).unwrap();
                let dump = outside.dump();
                println!("\nfull later: {} {}", dump.tasks.len(), dump.parts_not_in_the_file);
            }
            other => panic!("{other:?}"),
        }
        drop(tasks);
        return reactor.block_on(yield_now());
    }
    let place = tempfile::tempdir().unwrap();
    let runtime = place.path().join("runtime");
    fs::create_dir(&runtime).unwrap();
    let run = |kilobytes: u32| {
        let mount = format!(
            "mount -t tmpfs -o size={kilobytes}k,mode=700 none '{}' && exec \"$0\" \"$@\"",
            runtime.display()
        );
        let through = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount];
        let mut child = start("a_full_file_system_is_no_error", place.path(), &through);
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines: Vec<String> = output.lines().map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success(), "{lines:?}");
        lines.into_iter().find(|line| line.starts_with("full")).unwrap()
    };
    let may_mount = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none \"$0\""])
        .arg(&runtime)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !may_mount {
        eprintln!("skipped: a file system of its own is not allowed here");
        return;
    }
    assert!(run(256).starts_with("full at once: "));
    // Header, ring and the first part of the table: 1,024 slots, of which one is that of `block_on`.
    assert_eq!(run(64 + 512 + 64 + 16), "full later: 1023 1");
}

#[test]
fn what_is_no_record_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    assert!(Record::open(&path).is_err());
    for content in [vec![], vec![0; 1 << 17], vec![255; 1 << 17]] {
        fs::write(&path, content).unwrap();
        assert_eq!(Record::open(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
    let good = fs::read(file_of(&Reactor::new().unwrap())).unwrap();
    fs::write(&path, [b"EVENTED1", &good[8..]].concat()).unwrap();
    let error = Record::open(&path).unwrap_err().to_string();
    assert!(error.ends_with("it is one, of another version of this crate"), "{error}");
    // A copy with words spoiled is refused or read, and never a panic.
    let reactor = Reactor::new().unwrap();
    let task = reactor.spawn_with(Spawn::new().name("x"), pending::<()>());
    reactor.block_on(yield_now());
    let good = fs::read(file_of(&reactor)).unwrap();
    for at in
        (0..4096).step_by(8).chain((16_384..16_640).step_by(8)).chain((65_536..66_560).step_by(8))
    {
        for spoiled in [0, 1, 7, u64::MAX, 1 << 40] {
            let mut copy = good.clone();
            copy[at..at + 8].copy_from_slice(&spoiled.to_ne_bytes());
            fs::write(&path, copy).unwrap();
            if let Ok(record) = Record::open(&path) {
                assert!(!format!("{} {:?}", record.dump(), record.events()).is_empty());
            }
        }
    }
    drop(task);
}

#[test]
fn a_limit_of_file_sizes_is_no_end_of_the_process() {
    in_own_process("record::files::a_limit_of_file_sizes_is_no_end_of_the_process", || {
        let limit = |bytes| {
            let limit = Rlimit { current: Some(bytes), ..getrlimit(Resource::Fsize) };
            setrlimit(Resource::Fsize, limit).unwrap();
        };
        let reactor = Reactor::new().unwrap();
        let bytes = fs::metadata(file_of(&reactor)).unwrap().len();
        // Room for what a reactor begins with, and for nothing else. The system would send a signal.
        limit(bytes);
        let tasks: Vec<_> = (0..5_000).map(|_| reactor.spawn(pending::<()>())).collect();
        let dump = reactor.dump();
        assert_eq!(dump.tasks.len(), tasks.len());
        assert!(dump.parts_not_in_the_file > 0);
        limit(bytes - 1);
        match Reactor::new().unwrap().recording() {
            Recording::Memory(Some(reason)) => assert!(reason.contains("too large"), "{reason}"),
            other => panic!("{other:?}"),
        }
    });
}
