//! What a worker has of its parent: its life, and nothing else that it could disturb.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use processes::{Pool, ProcessBuilder, Queue, SharedAtomics};

use super::ended;
use crate::support::{BOUND, Stopped, gated, gates, is_alive, soon, state_of, wait_until};

#[test]
fn workers_die_with_the_parent_in_the_middle_of_a_call() {
    let example = crate::examples::path("processes_orphan");
    let mut parent = Command::new(example).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pids: Vec<u32> = lines.take(8).map(|line| line.unwrap().parse().unwrap()).collect();
    assert_eq!(pids.len(), 8);
    // Those cannot do anything about it themselves.
    let stopped = pids[6..].iter().map(|&pid| Stopped::new(pid)).collect::<Vec<_>>();
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("all workers are gone", || !pids.iter().any(|&pid| is_alive(pid)));
    drop(stopped);
}

/// What [`fills_its_ring`] is told with: a gate before the results, and how many were begun.
type Filling = (Queue<u32>, Queue<u32>, SharedAtomics<AtomicU64>);

/// A program whose worker, once it is let through, has more results than there is room for.
fn fills_its_ring((entered, gate, begun): Filling) {
    let pool = Pool::new(1).unwrap();
    let (first_entered, first_gate) = gates();
    let first = pool.submit(gated, (first_entered.clone(), first_gate.clone()));
    let held = pool.submit(gated, (entered, gate));
    let result: fn(SharedAtomics<AtomicU64>) -> Vec<u8> = |begun| {
        begun[0].fetch_add(1, Ordering::Relaxed);
        vec![1; 16_000]
    };
    let results: Vec<_> = (0..50).map(|_| pool.submit(result, begun.clone())).collect();
    // With its answer all the others are sent.
    soon(&first_entered);
    first_gate.put(1).unwrap();
    first.join().unwrap();
    held.join().unwrap();
    for call in results {
        call.join().unwrap();
    }
}

#[test]
fn a_worker_whose_results_nobody_takes_dies_with_the_parent() {
    /// Results of 16,000 bytes that a ring has room for.
    const ROOM: u64 = 16;
    let (entered, gate) = gates();
    let begun = SharedAtomics::<AtomicU64>::new(1).unwrap();
    let arguments = (entered.clone(), gate.clone(), begun.clone());
    let parent = processes::spawn(fills_its_ring, arguments).unwrap();
    let worker = soon(&entered);
    let stopped = Stopped::new(parent.pid().unwrap());
    gate.put(1).unwrap();
    wait_until("there is no room", || begun[0].load(Ordering::Relaxed) > ROOM);
    wait_until("it waits for some", || state_of(worker) == "S");
    parent.kill();
    parent.join_timeout(BOUND).expect("it is dead").unwrap_err();
    wait_until("its worker is gone", || !is_alive(worker));
    drop(stopped);
    assert_eq!(begun[0].load(Ordering::Relaxed), ROOM + 1, "it waited");
}

#[test]
fn stdin_of_a_worker_is_empty() {
    let pool = Pool::new(1).unwrap();
    let read = pool.submit(|()| std::io::read_to_string(std::io::stdin()).unwrap().len(), ());
    assert_eq!(ended(read).unwrap(), 0);
}

#[test]
fn user_code_does_not_see_the_marker_and_has_its_own_group() {
    let pool = Pool::new(1).unwrap();
    let names: fn(()) -> Vec<String> = |()| std::env::vars().map(|(name, _)| name).collect();
    let mine = names(());
    let more = ended(pool.submit(names, ())).unwrap();
    let more: Vec<_> = more.into_iter().filter(|name| !mine.contains(name)).collect();
    assert_eq!(more, [""; 0], "a worker's environment is its parent's");
    let group: fn(()) -> u32 = |()| {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        fields.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    let worker = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    assert_eq!(ended(pool.submit(group, ())).unwrap(), worker);
}

/// What a pool says in a process that has this folder for its temporary files.
fn beginning_in(folder: &str) -> String {
    beginning(ProcessBuilder::new().env("TMPDIR", folder))
}

/// What a pool says in such a process.
fn beginning(builder: ProcessBuilder) -> String {
    let begin: fn(()) -> String = |()| match Pool::new(1) {
        Ok(pool) => format!("{:?}", pool.submit(|x: u8| x, 7).join()),
        Err(error) => format!("{:?}: {error}", error.kind()),
    };
    let process = builder.spawn(begin, ()).unwrap();
    process.join_timeout(BOUND).expect("it ends").unwrap()
}

#[test]
fn a_folder_for_temporary_files_whose_path_is_too_long_is_named() {
    // Short, wherever the tests have theirs.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let length = folder.path().as_os_str().len();
    let longest = folder.path().join("x".repeat(89 - length - 1));
    std::fs::create_dir(&longest).unwrap();
    let longest = longest.to_str().unwrap();
    assert_eq!(beginning_in(longest), "Ok(7)");
    let said = beginning_in(&format!("{longest}x"));
    assert!(
        said.starts_with("InvalidFilename: ") && said.contains("(`TMPDIR`) has 90 bytes"),
        "{said}"
    );
}

#[test]
fn a_folder_for_temporary_files_may_be_relative_or_nothing() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::create_dir(folder.path().join("x")).unwrap();
    for relative in ["", ".", "./", "x", "./x/"] {
        let builder = ProcessBuilder::new().cwd(folder.path()).env("TMPDIR", relative);
        assert_eq!(beginning(builder), "Ok(7)", "{relative:?}");
    }
    // As long as it may be, and longer, as it is written.
    let length = folder.path().as_os_str().len() + 1;
    for (longer, slash) in [(0, ""), (0, "/"), (2, ""), (2, "/")] {
        let relative = format!("{}x{slash}", "./".repeat((89 + longer - length - 1) / 2));
        let bytes = length + relative.trim_end_matches('/').len();
        let builder = ProcessBuilder::new().cwd(folder.path()).env("TMPDIR", &relative);
        let said = beginning(builder);
        let is_right = match longer {
            0 => said == "Ok(7)",
            _more => said.contains(&format!("has {bytes} bytes")),
        };
        assert!(is_right, "{relative:?}, {bytes} bytes: {said}");
    }
}
