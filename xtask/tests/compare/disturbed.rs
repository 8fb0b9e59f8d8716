//! Comparisons that are interrupted, or whose surroundings are hostile.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use xtask::workspace::Workspace;

use crate::started::{Started, cells, compare, moved_program, program};

#[test]
fn ctrl_c_keeps_what_was_measured_and_marks_it() {
    let mut command = Command::new(program());
    command.args(["compare", "real.access-log", "io.wait", "--lanes", "seq,threads"]);
    let mut started = Started::new(command.args(["--rounds", "3", "--message-format", "json"]));
    started.wait_for("io.wait: about");
    let pid = Pid::from_raw(i32::try_from(started.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = started.end();
    assert_eq!(ended.code, Some(130), "{}", ended.err);
    let run = ended.run();
    assert_eq!(run["finish"], "interrupted");
    let measured =
        cells(&run).iter().filter(|cell| !cell["samples"].as_array().unwrap().is_empty());
    assert!(measured.count() >= 4, "the first workload was complete");
    assert!(saved_runs().contains(&run), "what is printed is kept");
}

/// Every `run.json` of this target folder.
fn saved_runs() -> Vec<serde_json::Value> {
    let all = Workspace::find().compare_folder().read_dir().expect("it was run before");
    let read = |entry: fs::DirEntry| {
        let text = fs::read(entry.path().join("run.json")).ok()?;
        serde_json::from_slice(&text).ok()
    };
    all.filter_map(Result::ok).filter_map(read).collect()
}

#[test]
fn a_target_folder_that_cannot_be_written_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let moved = moved_program(folder.path());
    // A file where the folder for results would be: refused to the superuser too.
    let in_the_way = folder.path().join("target/compare");
    fs::write(&in_the_way, "").unwrap();
    let ended = Started::new(Command::new(moved).arg("compare")).end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
    assert!(ended.err.contains("failed to make the folder for the results"), "{}", ended.err);
    assert!(ended.err.contains(in_the_way.to_str().unwrap()), "{}", ended.err);
}

#[test]
fn too_few_descriptors_are_noticed_before_anything_is_built() {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("ulimit -n 60 && exec \"$0\" compare io.wait").arg(program());
    let ended = Started::new(&mut shell).end();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
    assert!(ended.err.contains("at most 60 descriptors"), "{}", ended.err);
    assert!(!ended.err.contains("building"), "{}", ended.err);
}

#[test]
fn a_lane_that_does_not_exist_is_refused_with_the_nearest() {
    let ended = compare(&["cpu.coarse", "--lanes", "seq,thraeds"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    assert!(
        ended.err.contains("no lane is called thraeds; did you mean threads?"),
        "{}",
        ended.err
    );
}

#[test]
fn a_file_in_place_of_a_directory_to_hash_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let ended = compare(&["tree-hash", "--files", file.path().to_str().unwrap()]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    assert!(ended.err.contains("--files"), "{}", ended.err);
}

#[test]
fn a_host_that_hangs_dies_with_a_harness_that_is_killed() {
    a_host_that_hangs_dies_after(Signal::KILL, None);
}

#[test]
fn ctrl_c_ends_a_host_that_hangs() {
    a_host_that_hangs_dies_after(Signal::INT, Some(130));
}

/// Sends a signal to a harness whose lane host hangs: the harness has to end with this code, and the
/// host with it.
fn a_host_that_hangs_dies_after(signal: Signal, code: Option<i32>) {
    let mut command = Command::new(program());
    command.args(["compare", "dummy.hang", "--timeout", "100"]);
    let mut started = Started::new(&mut command);
    started.wait_for("dummy.hang: about");
    let pid = Pid::from_raw(i32::try_from(started.id()).expect("an id")).expect("not zero");
    let Some(host) = wait_for_hanging_child_of(pid) else {
        eprintln!("skipped: the kernel does not tell what a process waits for");
        return;
    };
    kill_process(pid, signal).expect("it has not been waited for");
    assert_eq!(started.end().code, code);
    wait_for_end_of(&host);
}

/// The process id and start time of a process; together they name it for ever.
pub(crate) type Identity = (String, String);

/// Waits until a process has a lane host as its child that sleeps for a time: one that waits for
/// its input would notice the end of it. `None`: the kernel does not tell.
fn wait_for_hanging_child_of(parent: Pid) -> Option<Identity> {
    if !told_what_is_waited_for() {
        return None;
    }
    Some(wait_for_child_of(parent, |pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim_end().ends_with("-lane") && sleeps_for_a_time(pid)
    }))
}

/// Whether a process is in a system call that waits for a time, if the kernel tells such things.
fn sleeps_for_a_time(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default().contains("nanosleep")
}

/// Whether the kernel tells what a process waits for: one that certainly waits is looked at.
fn told_what_is_waited_for() -> bool {
    let mut sleeper = Command::new("sleep").arg("100").spawn().expect("there is a sleep");
    let pid = sleeper.id().to_string();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !sleeps_for_a_time(&pid) && Instant::now() < deadline {
        thread::yield_now();
    }
    let told = sleeps_for_a_time(&pid);
    sleeper.kill().expect("it has not been waited for");
    sleeper.wait().expect("it is a child");
    told
}

/// Waits until a process has such a process as its child. It leads a group of its own, and would have
/// another parent if it outlived this one: only its identity finds it again.
pub(crate) fn wait_for_child_of(parent: Pid, is_meant: impl Fn(&str) -> bool) -> Identity {
    let parent = parent.as_raw_pid().to_string();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let processes = fs::read_dir("/proc").expect("it is mounted").filter_map(Result::ok);
        let mut names = processes.filter_map(|process| process.file_name().into_string().ok());
        let child = names.find(|pid| is_child(pid, &parent) && is_meant(pid));
        if let Some(identity) = child.as_deref().and_then(identity_of) {
            return identity;
        }
        assert!(Instant::now() < deadline, "there is no such child");
        thread::yield_now();
    }
}

/// Whether a process is a child of another.
fn is_child(pid: &str, parent: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The fields after the name, which is in parentheses: state, parent.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    fields.split_whitespace().nth(1) == Some(parent)
}

/// Waits until a process is no more.
pub(crate) fn wait_for_end_of(process: &Identity) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_alive(process) {
        assert!(Instant::now() < deadline, "{process:?} lives on");
        thread::yield_now();
    }
}

/// The identity of a live process.
fn identity_of(pid: &str) -> Option<Identity> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The fields after the name: state first, start time twentieth.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    (*fields.first()? != "Z").then(|| (pid.to_owned(), fields[19].to_owned()))
}

/// Whether this very process is alive.
pub(crate) fn is_alive(process: &Identity) -> bool {
    identity_of(&process.0).as_ref() == Some(process)
}
