//! Child processes that exit, crash, hang, close their descriptors, cannot be started.

mod drops;

use std::future::poll_fn;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use evented::process::{Child, Command, Stdio};
use evented::signal::{Kind, Signal};
use evented::{Reactor, TaskGroup, block_on, timeout};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::support::{bounded, descriptors, in_own_process, until};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// Children of this process that are zombies, and those that are not.
fn children() -> (usize, usize) {
    let own = format!("{}", std::process::id());
    let (mut zombies, mut alive) = (0, 0);
    for entry in std::fs::read_dir("/proc").unwrap().map_while(Result::ok) {
        // One that ends meanwhile has no file any more.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // "pid (name) state parent ...", and the name may have anything in it.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        if parent == Some(&own) {
            *(if state == Some("Z") { &mut zombies } else { &mut alive }) += 1;
        }
    }
    (zombies, alive)
}

#[test]
fn exits_and_crashes_are_told_apart_and_the_answer_stays() {
    block_on(bounded(async {
        let mut child = shell("exit 7").spawn().unwrap();
        assert!(child.id().is_some());
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
        assert_eq!(child.id(), None, "the number may mean another process by now");
        // Harmless, and reaches nobody else.
        child.kill().unwrap();
        let status = shell("kill -SEGV $$").status().await.unwrap();
        assert_eq!((status.signal(), status.code()), (Some(11), None));
    }));
}

#[test]
fn one_that_hangs_is_waited_for_in_vain_and_killed() {
    block_on(bounded(async {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(timeout(Duration::from_millis(5), child.wait()).await.is_err());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    }));
}

#[test]
fn the_loop_goes_on_while_children_run() {
    block_on(bounded(async {
        let mut group = TaskGroup::new();
        for code in 0..40 {
            group.spawn(async move {
                let status = shell(&format!("read x; exit {code}"))
                    .stdin(Stdio::piped())
                    .spawn()
                    .unwrap()
                    .wait()
                    .await;
                (code, status.unwrap().code())
            });
        }
        let mut seen = 0;
        while let Some(result) = group.next().await {
            let (wanted, code) = result.unwrap();
            assert_eq!(code, Some(wanted));
            seen += 1;
        }
        assert_eq!(seen, 40);
    }));
}

#[test]
fn both_outputs_are_read_at_once() {
    block_on(bounded(async {
        let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; echo end; exit 2";
        let output = shell(script).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_004, 300_000));
        assert!(output.stdout.ends_with(b"end\n"));
    }));
}

#[test]
fn a_conversation_and_the_end_of_the_input() {
    block_on(bounded(async {
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        for line in [b"one", b"two"] {
            input.write_all(line).await.unwrap();
            let mut back = [0; 3];
            output.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, line);
        }
        input.close().await.unwrap();
        assert_eq!(output.read(&mut [0]).await.unwrap(), 0);
        assert!(child.wait().await.unwrap().success());
        // An input that is left alone is closed by waiting.
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
    }));
}

#[test]
fn one_that_closes_its_descriptors_early_still_runs() {
    block_on(bounded(async {
        let (gate, open) = io::pipe().unwrap();
        // Descriptor 3 is taken from the input, so that only this test decides when it ends.
        let mut child = shell("exec >&- 2>&-; read x; exit 5")
            .stdin(gate)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), child.try_wait().unwrap()), ("", None));
        drop(open);
        assert_eq!(child.wait().await.unwrap().code(), Some(5));
        // Its input: writing is an error and not the end of this process.
        let mut child = shell("exec <&-; echo closed; exec sleep 1000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 7];
        child.stdout.as_mut().unwrap().read_exact(&mut line).await.unwrap();
        let error = child.stdin.as_mut().unwrap().write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        child.kill().unwrap();
        child.wait().await.unwrap();
    }));
}

#[test]
fn programs_that_cannot_be_started_leave_nothing() {
    in_own_process("process::programs_that_cannot_be_started_leave_nothing", || {
        block_on(bounded(async {
            let directory = tempfile::tempdir().unwrap();
            let script = directory.path().join("script");
            let missing = directory.path().join("missing");
            std::fs::write(&script, format!("#!{}\n", missing.display())).unwrap();
            let before = descriptors();
            for _ in 0..20 {
                let piped = || (Stdio::piped(), Stdio::piped());
                let (input, output) = piped();
                let started = Command::new(&missing).stdin(input).stdout(output).spawn();
                assert_eq!(started.unwrap_err().kind(), io::ErrorKind::NotFound);
                let forbidden = Command::new(&script).spawn();
                assert_eq!(forbidden.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
                assert!(Command::new("true").current_dir(&missing).spawn().is_err());
            }
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
            assert!(Command::new(&script).spawn().is_err(), "its interpreter does not exist");
            assert_eq!((descriptors(), children()), (before, (0, 0)));
        }));
    });
}

#[test]
fn nothing_of_the_process_is_taken_over_and_nothing_is_inherited() {
    let name = "process::nothing_of_the_process_is_taken_over_and_nothing_is_inherited";
    in_own_process(name, || {
        let mut list = std::process::Command::new("ls");
        list.arg("/proc/self/fd").stdin(Stdio::null());
        let before = list.output().unwrap().stdout;
        let after = block_on(bounded(async {
            let (_reader, _writer) = evented::net::pipe().unwrap();
            let _pair = evented::net::UnixStream::pair().unwrap();
            let _input = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let _signal = Signal::new(Kind::USER1).unwrap();
            Command::from(list).output().await.unwrap().stdout
        }));
        assert_eq!(String::from_utf8(after), String::from_utf8(before));
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
        let caught = u64::from_str_radix(caught, 16).unwrap();
        assert_eq!(caught & (1 << (17 - 1)), 0, "SIGCHLD is left alone");
    });
}

#[test]
fn a_status_that_somebody_else_took_is_an_error_and_no_hang() {
    block_on(bounded(async {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
        // As a program does that waits for whatever child there is.
        let (_, status) = waitpid(pid, WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0));
        let error = child.wait().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(10), "ECHILD: {error}");
        // There is nobody left to be killed.
        child.kill().unwrap();
        // The number may be that of another child by now, whose status is not to be taken.
        assert_eq!(child.id(), None);
        assert_eq!(child.try_wait().unwrap_err().raw_os_error(), Some(10));
    }));
}

#[test]
fn ends_that_are_ignored_are_errors_that_say_so() {
    const NAME: &str = "process::ends_that_are_ignored_are_errors_that_say_so";
    const ROLE: &str = "EVENTED_TEST_IGNORES_ENDS";
    if std::env::var_os(ROLE).is_none() {
        let env = || {
            let mut env = std::process::Command::new("env");
            env.arg("--ignore-signal=CHLD");
            env
        };
        if !env().arg("true").output().is_ok_and(|output| output.status.success()) {
            println!("skipped: this system's `env` cannot ignore signals");
            return;
        }
        // What is ignored stays so in what is executed.
        let output = env()
            .arg(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--test-threads=1", "--nocapture"])
            .env(ROLE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
        return;
    }
    block_on(bounded(async {
        for _ in 0..50 {
            // It may be gone before there is a descriptor for it, or after that.
            let error = Command::new("true").status().await.unwrap_err();
            let says_so = error.raw_os_error() == Some(10) || error.to_string().contains("SIGCHLD");
            assert!(says_so, "{error:?}");
        }
    }));
    // What looks for leaks when this process ends has a child, and waits for it.
    signal_hook::flag::register(signal_hook::consts::SIGCHLD, Arc::default()).unwrap();
}

#[test]
fn output_uses_the_descriptors_that_were_given() {
    block_on(bounded(async {
        let (input, mut theirs) = io::pipe().unwrap();
        io::Write::write_all(&mut theirs, b"given").unwrap();
        drop(theirs);
        let mut command = Command::new("cat");
        command.stdin(input);
        assert_eq!(command.output().await.unwrap().stdout, b"given");
        // Nothing is collected that goes elsewhere, and nothing has changed for the next start.
        let mut command = shell("echo out; echo err >&2");
        let output = command.stdout(Stdio::null()).output().await.unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b""[..], &b"err\n"[..]));
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        assert!(child.wait().await.unwrap().success());
        // Nor of what was not given: it is this process's own again.
        let mut command = shell("exit 0");
        assert_eq!(command.output().await.unwrap().stdout, b"");
        let mut child = command.spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        assert!(child.wait().await.unwrap().success());
    }));
}

/// Polls `wait` once in a reactor of its own, in vain.
fn waits_in(reactor: &Reactor, child: &mut Child) {
    let polled = reactor.block_on(poll_fn(|cx| Poll::Ready(child.poll_wait(cx).is_pending())));
    assert!(polled, "it has not ended");
}

#[test]
fn a_child_may_be_waited_for_elsewhere_once_its_reactor_is_gone() {
    let start = || {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    };
    let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (mut child, mut dropped) = (start(), start());
    waits_in(&first, &mut child);
    waits_in(&first, &mut dropped);
    let error = second.block_on(bounded(child.wait())).unwrap_err();
    assert!(error.to_string().contains("another reactor"), "{error}");
    // It has closed its input all the same, so it ends; that is heard of where it waits.
    drop(first);
    assert!(second.block_on(bounded(child.wait())).unwrap().success());
    // One that is dropped is waited for as well, here and on other threads.
    let id = dropped.id().unwrap();
    std::thread::spawn(move || {
        block_on(bounded(async move {
            drop(dropped);
            until(|| !std::path::Path::new(&format!("/proc/{id}")).exists()).await;
        }));
    })
    .join()
    .unwrap();
}
