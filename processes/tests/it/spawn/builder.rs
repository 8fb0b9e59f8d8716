//! Settings of single processes, and their handles.

use std::fs::read_to_string;
use std::io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use processes::{JoinError, Limit, Process, ProcessBuilder, Queue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::support::{
    BOUND, children, descriptors, gated, gates, is_alive, is_sanitized, soon, wait_until,
};

const SHORT: Duration = Duration::from_millis(20);

fn builder() -> ProcessBuilder {
    ProcessBuilder::new()
}

/// A process that waits at a gate, which is never opened.
fn busy() -> Process<u32> {
    let (entered, gate) = gates();
    let process = builder().name("busy").spawn(gated, (entered.clone(), gate)).unwrap();
    assert_eq!(soon(&entered), process.pid());
    process
}

/// What a process returns that must end soon.
fn result<R: serde::de::DeserializeOwned>(process: Process<R>) -> Result<R, JoinError> {
    process.join_timeout(BOUND).expect("it ends")
}

/// Whether the sentinel becomes readable within this time.
fn rings<R>(process: &Process<R>, limit: Duration) -> bool {
    let mut watched = [PollFd::new(process, PollFlags::IN)];
    let limit = Timespec::try_from(limit).unwrap();
    poll(&mut watched, Some(&limit)).unwrap() == 1
}

#[test]
fn it_runs_and_ends() {
    let process = builder().name("adder").spawn(|x: u32| (x + 1, std::process::id()), 1).unwrap();
    assert_eq!(process.name(), Some("adder"));
    let pid = process.pid();
    assert!(process.wait_timeout(BOUND));
    assert!(process.is_finished() && !process.is_alive());
    assert!(!is_alive(pid), "not just its function has ended");
    assert_eq!(process.exit_status().unwrap().code(), Some(0));
    assert!(!process.kill() && !process.terminate(), "nobody is there");
    assert_eq!(process.try_join().unwrap().unwrap(), (2, pid));
    let handle = builder().spawn(|x: u32| x, 5).unwrap().into_handle();
    assert_eq!(handle.join_timeout(BOUND).unwrap().unwrap(), 5);
}

#[test]
fn kill_and_terminate() {
    type End = fn(&Process<u32>) -> bool;
    let ends: [(End, i32); 2] = [(Process::kill, 9), (Process::terminate, 15)];
    for (end, number) in ends {
        let process = busy();
        assert_eq!(process.exit_status(), None);
        let process = process.try_join().unwrap_err();
        let process = process.join_timeout(SHORT).unwrap_err();
        assert!(process.is_alive() && !process.wait_timeout(SHORT));
        assert!(end(&process));
        assert!(process.wait_timeout(BOUND));
        assert_eq!(process.exit_status().unwrap().signal(), Some(number));
        let error = result(process).unwrap_err();
        let JoinError::WorkerLost { signal, .. } = error else { panic!("{error}") };
        assert_eq!(signal, Some(number));
    }
}

#[test]
fn one_that_is_killed_before_it_has_started() {
    let process = builder().spawn(|x: u32| x, 1).unwrap();
    assert!(process.kill());
    assert!(process.wait_timeout(BOUND));
    // It may have been faster.
    assert!(process.exit_status().is_some());
    drop(result(process));
}

#[test]
fn exit_codes() {
    let process = builder().spawn(|code: i32| -> u8 { std::process::exit(code) }, 3).unwrap();
    assert!(process.wait_timeout(BOUND));
    assert_eq!(process.exit_status().unwrap().code(), Some(3));
    assert!(matches!(result(process), Err(JoinError::WorkerLost { exit_code: Some(3), .. })));
    let process = builder().stderr(Stdio::null()).spawn(|()| -> u8 { panic!("oh") }, ()).unwrap();
    assert!(process.wait_timeout(BOUND));
    assert!(process.exit_status().unwrap().success(), "the process itself did well");
    assert!(matches!(result(process), Err(JoinError::Panicked { .. })));
}

#[test]
fn environment() {
    let look: fn(()) -> Vec<(String, String)> = |()| std::env::vars().collect();
    let has = |seen: &[(String, String)], key: &str| seen.iter().any(|(name, _)| name == key);
    let seen = result(builder().env("TRIPTYCH_A", "1").spawn(look, ()).unwrap()).unwrap();
    assert!(seen.contains(&("TRIPTYCH_A".to_owned(), "1".to_owned())));
    assert!(has(&seen, "PATH") && !has(&seen, "TRIPTYCH_PROCESSES_WORKER"));
    let less = builder().env_remove("PATH").spawn(look, ()).unwrap();
    assert!(!has(&result(less).unwrap(), "PATH"));
    let only = builder().env("LOST", "1").env_clear().env("KEPT", "2");
    let seen = result(only.spawn(look, ()).unwrap()).unwrap();
    assert_eq!(seen, [("KEPT".to_owned(), "2".to_owned())]);
}

#[test]
fn folder_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let look: fn(()) -> (std::path::PathBuf, String) = |()| {
        let title = read_to_string("/proc/self/cmdline").unwrap();
        (std::env::current_dir().unwrap(), title)
    };
    let process = builder().name("the name").cwd(folder.path()).spawn(look, ()).unwrap();
    let (cwd, title) = result(process).unwrap();
    assert_eq!(cwd, folder.path().canonicalize().unwrap());
    assert!(title.contains("[the name]"), "{title}");
}

#[test]
fn output_is_captured() {
    let speak: fn(String) -> String = |text| {
        println!("out {text}");
        eprintln!("err {text}");
        let mut heard = String::new();
        std::io::stdin().read_to_string(&mut heard).unwrap();
        heard
    };
    let piped = builder().stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = piped.spawn(speak, "text".to_owned()).unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    process.take_stdout().unwrap().read_to_string(&mut out).unwrap();
    process.take_stderr().unwrap().read_to_string(&mut err).unwrap();
    assert!(process.take_stdout().is_none() && process.take_stderr().is_none());
    assert_eq!((out.as_str(), err.as_str()), ("out text\n", "err text\n"));
    assert_eq!(result(process).unwrap(), "", "there is no input");
    let mut silent = builder().stdout(Stdio::null()).spawn(|()| println!("lost"), ()).unwrap();
    assert!(silent.take_stdout().is_none());
    result(silent).unwrap();
}

#[test]
fn shared_memory_beyond_the_limit_of_files_is_an_error() {
    let limited = || builder().rlimit(Limit::FileSize, 16 << 20).rlimit(Limit::CoreDump, 0);
    let long: fn(usize) -> Vec<u8> = |bytes| vec![1; bytes];
    let short = result(limited().spawn(long, 15 << 20).unwrap()).unwrap();
    assert_eq!(short.len(), 15 << 20);
    let error = result(limited().spawn(long, 17 << 20).unwrap()).unwrap_err();
    assert!(matches!(error, JoinError::Encode { side: processes::Side::Worker, .. }), "{error}");
    assert!(error.to_string().contains("`ulimit -f`"), "{error}");
    let others: fn(()) -> String = |()| {
        // Its arena would be longer.
        let pool = processes::Pool::new(1).unwrap();
        let bytes = pool.submit(|bytes: Vec<u8>| bytes, vec![1; 1 << 20]).join().unwrap();
        assert_eq!(bytes.len(), 1 << 20);
        processes::SharedMem::new(17 << 20).unwrap_err().to_string()
    };
    let error = result(limited().spawn(others, ()).unwrap()).unwrap();
    assert!(error.contains("`ulimit -f`"), "{error}");
}

#[test]
fn limits_hold() {
    let (limit, most) = (Limit::FileSize, 1_000);
    let write: fn(usize) -> bool = |bytes| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![0; bytes]).is_ok()
    };
    let limited = || builder().rlimit(limit, most).rlimit(Limit::CoreDump, 0);
    assert!(result(limited().spawn(write, 1_000).unwrap()).unwrap());
    // SIGXFSZ.
    let error = result(limited().spawn(write, 2_000).unwrap()).unwrap_err();
    assert!(matches!(error, JoinError::WorkerLost { signal: Some(25), .. }), "{error}");
    let reserve: fn(()) -> [bool; 2] =
        |()| [1 << 20, 1 << 32].map(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    if !is_sanitized("a limit of addresses") {
        let little = builder().rlimit(Limit::AddressSpace, 1 << 30).spawn(reserve, ()).unwrap();
        assert_eq!(result(little).unwrap(), [true, false]);
    }
    let open: fn(()) -> (bool, u64) = |()| {
        let files: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null")).collect();
        let limits = read_to_string("/proc/self/limits").unwrap_or_default();
        (files.iter().any(Result::is_err), limits.len() as u64)
    };
    let few = builder().rlimit(Limit::OpenFiles, 40).spawn(open, ()).unwrap();
    assert_eq!(result(few).unwrap(), (true, 0));
}

#[test]
fn niceness_and_processors() {
    let look: fn(()) -> (i32, Vec<usize>) = |()| {
        use rustix::thread::{CpuSet, sched_getaffinity};
        let own = sched_getaffinity(None).unwrap();
        let cpus = (0..CpuSet::MAX_CPU).filter(|&number| own.is_set(number)).collect();
        (rustix::process::getpriority_process(None).unwrap(), cpus)
    };
    let (nice, cpus) = look(());
    let wanted = (nice + 3).min(19);
    let last = *cpus.last().unwrap();
    let process = builder().nice(wanted).affinity([last]).spawn(look, ()).unwrap();
    assert_eq!(result(process).unwrap(), (wanted, vec![last]));
    // Those that do not exist are left out, as long as one does.
    let all = builder().affinity((0..1_024).chain(0..1_024)).rlimit(Limit::CoreDump, 1);
    let all = all.rlimit(Limit::CoreDump, 0).spawn(look, ()).unwrap();
    assert!(result(all).unwrap().1.len() >= cpus.len());
    assert_eq!(result(builder().spawn(look, ()).unwrap()).unwrap(), (nice, cpus));
}

/// A value that has no encoding.
#[derive(serde::Deserialize)]
struct Unsendable;

impl serde::Serialize for Unsendable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("on purpose"))
    }
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    fn kind(builder: ProcessBuilder) -> std::io::ErrorKind {
        let error = builder.spawn(|x: u8| x, 1).unwrap_err();
        assert!(error.to_string().len() > 10, "{error}");
        error.kind()
    }
    assert_eq!(kind(builder().name("a\0b")), InvalidInput);
    assert_eq!(kind(builder().env("a=b", "")), InvalidInput);
    assert_eq!(kind(builder().env_remove("")), InvalidInput);
    assert_eq!(kind(builder().env("a", "b\0c")), InvalidInput);
    assert_eq!(kind(builder().cwd("/no/such/folder")), NotFound);
    assert_eq!(kind(builder().cwd("/proc/self/exe")), NotADirectory);
    assert_eq!(kind(builder().nice(20)), InvalidInput);
    assert_eq!(kind(builder().affinity([])), InvalidInput);
    assert_eq!(kind(builder().affinity([1 << 20])), InvalidInput);
    let error = builder().spawn(|_: Unsendable| (), Unsendable).unwrap_err();
    assert_eq!(error.kind(), InvalidInput);
    assert!(error.to_string().contains("on purpose"), "{error}");
    // In a process whose own limit is low.
    let more: fn(()) -> String = |()| {
        let more = builder().rlimit(Limit::FileSize, 2_000).spawn(|x: u8| x, 1);
        more.unwrap_err().to_string()
    };
    let limited = builder().rlimit(Limit::FileSize, 1_000).spawn(more, ()).unwrap();
    let text = result(limited).unwrap();
    assert!(text.contains("FileSize") && text.contains("1000"), "{text}");
}

#[test]
fn what_the_process_cannot_do_to_itself_is_its_error() {
    let process = builder().affinity([1_023]).spawn(|x: u8| x, 1).unwrap();
    assert!(process.wait_timeout(BOUND));
    let error = result(process).unwrap_err();
    assert!(matches!(error, JoinError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("1023"), "{error}");
}

#[test]
fn the_sentinel_is_readable_at_the_end() {
    let process = busy();
    assert!(!rings(&process, Duration::ZERO));
    process.kill();
    assert!(rings(&process, BOUND));
    assert!(rings(&process, Duration::ZERO), "and stays so");
    assert!(process.as_fd().try_clone_to_owned().is_ok());
    result(process).unwrap_err();
}

#[test]
fn a_dropped_handle_leaves_the_process_to_itself() {
    let queue = Queue::bounded(1).unwrap();
    let (entered, gate) = gates();
    let work: fn([Queue<u32>; 3]) = |[entered, gate, queue]| {
        entered.put(1).unwrap();
        queue.put(gate.get().unwrap()).unwrap();
    };
    drop(builder().spawn(work, [entered.clone(), gate.clone(), queue.clone()]).unwrap());
    soon(&entered);
    gate.put(4).unwrap();
    assert_eq!(soon(&queue), 4);
}

#[test]
fn nothing_is_left_behind() {
    let rounds: fn(()) -> bool = |()| {
        let round = || {
            let piped = builder().stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.spawn(|x: u8| x, 1).unwrap().join().unwrap();
            let busy = busy();
            busy.kill();
            busy.join().unwrap_err();
            builder().affinity([1_023]).spawn(|x: u8| x, 1).unwrap().join().unwrap_err();
            builder().env("a", "b\0c").spawn(|x: u8| x, 1).unwrap_err();
        };
        round();
        wait_until("everything is given back", || children().is_empty());
        let base = descriptors();
        (0..4).for_each(|_| round());
        wait_until("as before", || children().is_empty() && descriptors() <= base);
        true
    };
    let rounds = processes::spawn(rounds, ()).unwrap();
    assert!(rounds.join_timeout(2 * BOUND).expect("it ends").unwrap());
}
