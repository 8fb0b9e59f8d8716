//! What blocks the loop is named while it does.

use std::cell::RefCell;
use std::future::pending;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use evented::record::{Blocked, Cause, RecorderSpec, Trigger, What};
use evented::{Class, ClassSpec, Order, Reactor, Spawn, advance, sleep, spawn_with, yield_now};

use crate::support::{BOUND, bounded, in_own_process, threads, until, until_blocking};

const LIMIT: Duration = Duration::from_millis(20);

/// A reactor, and what its hook is told.
fn watched(limit: Duration) -> (Reactor, mpsc::Receiver<Blocked>) {
    let (sender, told) = mpsc::channel();
    let reactor = Reactor::builder()
        .block_limit(limit)
        .on_block(move |blocked| drop(sender.send(blocked.clone())))
        .build()
        .unwrap();
    (reactor, told)
}

#[test]
fn a_task_that_blocks_is_named_meanwhile() {
    let (reactor, told) = watched(LIMIT);
    let options = Spawn::new().name("stuck").class(Class::BATCH);
    let task = reactor.spawn_with(options, async move {
        // It goes on when it was named three times, so it was named while it blocked.
        let mut reports = Vec::new();
        while reports.len() < 3 {
            reports.push(told.recv_timeout(BOUND).unwrap());
        }
        reports
    });
    let id = task.id();
    let reports = reactor.block_on(task).unwrap();
    for (times, report) in reports.iter().enumerate() {
        assert_eq!((report.what, report.times as usize), (Cause::Task(id), times));
        assert_eq!(
            (report.name.as_deref(), report.class.as_deref()),
            (Some("stuck"), Some("BATCH"))
        );
        assert!(report.spawned_at.as_ref().unwrap().contains("watchdog.rs:"), "{report}");
        // Twice as long each time.
        assert!(report.elapsed >= LIMIT * (1 << times), "{report}");
    }
    let text = reports[0].to_string();
    assert!(text.contains("\"stuck\" of class BATCH, spawned at "), "{text}");
}

/// The default: a line on standard error. The program blocks until it was read.
#[test]
fn by_default_standard_error_tells() {
    const NAME: &str = "record::watchdog::by_default_standard_error_tells";
    if std::env::var_os("EVENTED_TEST_BLOCKS").is_some() {
        return Reactor::new().unwrap().block_on(block_until_input_ends());
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--test-threads=1", "--nocapture"])
        .env("EVENTED_TEST_BLOCKS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let mut lines = errors.lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("evented: task "));
    drop(child.stdin.take());
    let rest: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    let line = line.unwrap();
    assert!(line.contains("\"slow\" of class NORMAL, spawned at "), "{line}");
    assert!(line.contains("has kept reactor 1 from going on for "), "{line}");
}

/// Blocks in a task until standard input ends.
async fn block_until_input_ends() {
    let (ended, waits) = mpsc::channel();
    std::thread::spawn(move || ended.send(std::io::stdin().read_to_end(&mut Vec::new()).unwrap()));
    let slow = async move { waits.recv_timeout(BOUND).unwrap() };
    spawn_with(Spawn::new().name("slow"), slow).await.unwrap();
}

#[test]
fn a_call_and_a_drop_that_block_are_named() {
    struct Slow(mpsc::Receiver<Blocked>, mpsc::Sender<Blocked>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.1.send(self.0.recv_timeout(BOUND).unwrap()).unwrap();
        }
    }
    let (reactor, told) = watched(LIMIT);
    let (report, reports) = mpsc::channel();
    let handle = reactor.handle();
    reactor.block_on(bounded(async move {
        let (back, mut again) = evented::sync::mpsc::bounded(1);
        let sent = report.clone();
        handle
            .call(move || {
                sent.send(told.recv_timeout(BOUND).unwrap()).unwrap();
                // What was told of this call twice does not count for the drop.
                drop(back.try_send(told));
            })
            .unwrap();
        let told = again.recv().await.unwrap();
        while told.try_recv().is_ok() {}
        let slow = Slow(told, report);
        let dropped = spawn_with(Spawn::new().name("dropped"), async move {
            let _slow = slow;
            pending::<()>().await;
        });
        // It has begun, so its future has what blocks.
        yield_now().await;
        drop(dropped);
        until(|| evented::stats().tasks == 0).await;
    }));
    assert_eq!(reports.recv().unwrap().what, Cause::Call);
    assert_eq!(reports.recv().unwrap().name.as_deref(), Some("dropped"));
}

/// Sleeping, being busy with short polls, and not running are no reasons.
#[test]
fn what_does_not_block_is_not_told_of() {
    let (reactor, told) = watched(Duration::from_secs(20));
    let (sleeper, asleep) = watched(Duration::from_millis(1));
    // The second one sleeps, and then does not run, while the first one is busy.
    sleeper.block_on(sleep(Duration::from_millis(30)));
    reactor.block_on(async {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(50) {
            yield_now().await;
        }
    });
    assert_eq!(told.try_recv().ok(), None);
    // A slow machine may have made a poll of the second one long: then it says which one.
    while let Ok(blocked) = asleep.try_recv() {
        assert_eq!(blocked.name.as_deref(), Some("block_on"));
    }
}

#[test]
fn one_thread_that_ends_with_the_last_reactor() {
    in_own_process("record::watchdog::one_thread_that_ends_with_the_last_reactor", || {
        let before = threads();
        let off = Reactor::builder().block_limit(Duration::MAX).build().unwrap();
        off.block_on(yield_now());
        let quiet = Reactor::builder().recorder(RecorderSpec::off()).build().unwrap();
        quiet.block_on(yield_now());
        let reactors = [Reactor::new().unwrap(), Reactor::new().unwrap()];
        assert_eq!(threads(), before, "nothing has run that is to be looked after");
        for reactor in &reactors {
            reactor.block_on(yield_now());
        }
        assert_eq!(threads(), before + 1);
        let [first, second] = reactors;
        drop(first);
        let (again, told) = watched(LIMIT);
        again.block_on(async move { told.recv_timeout(BOUND).unwrap() });
        drop((second, again, off, quiet));
        until_blocking(|| threads() == before);
    });
}

/// Tells when the values of its thread are dropped, in the end of the thread; takes a while.
struct Late(Arc<AtomicUsize>);

impl Drop for Late {
    fn drop(&mut self) {
        let start = std::time::Instant::now();
        until_blocking(|| start.elapsed() > Duration::from_millis(100));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// Dropping the last reactor waits for all of it, thread-local values included.
#[test]
fn it_is_joined_by_the_last_reactor() {
    in_own_process("record::watchdog::it_is_joined_by_the_last_reactor", || {
        let ended = Arc::new(AtomicUsize::new(0));
        for round in 0..3 {
            let (sender, told) = mpsc::channel();
            let count = Arc::clone(&ended);
            let reactor = Reactor::builder()
                .block_limit(LIMIT)
                .on_block(move |_| {
                    LATE.with(|late| drop(late.replace(Some(Late(Arc::clone(&count))))));
                    let _ = sender.send(());
                })
                .build()
                .unwrap();
            let other = Reactor::new().unwrap();
            other.block_on(yield_now());
            reactor.block_on(async { told.recv_timeout(BOUND).unwrap() });
            let before = ended.load(Ordering::SeqCst);
            drop(reactor);
            assert_eq!(ended.load(Ordering::SeqCst), before, "round {round}: another one needs it");
            drop(other);
            assert!(ended.load(Ordering::SeqCst) > before, "round {round}: it goes on");
        }
    });
}

/// The last reactor is one of a hook, on the thread itself, which then ends alone; the next one has another.
#[test]
fn a_hook_that_drops_the_last_reactor_ends_it() {
    in_own_process("record::watchdog::a_hook_that_drops_the_last_reactor_ends_it", || {
        let before = threads();
        let (runs, inner_runs) = mpsc::channel();
        let (is_gone, outer_is_gone) = mpsc::channel::<()>();
        let outer_is_gone = Mutex::new(outer_is_gone);
        let reactor = Reactor::builder()
            .block_limit(LIMIT)
            .on_block(move |_| {
                let inner = Reactor::new().unwrap();
                inner.block_on(yield_now());
                if runs.send(()).is_ok() {
                    let _ = outer_is_gone.lock().unwrap().recv_timeout(BOUND);
                }
            })
            .build()
            .unwrap();
        reactor.block_on(async { inner_runs.recv_timeout(BOUND).unwrap() });
        // It does not wait for the hook, as the reactor there is another one.
        drop((reactor, inner_runs));
        drop(is_gone);
        until_blocking(|| threads() == before);
        let (again, told) = watched(LIMIT);
        again.block_on(async move { told.recv_timeout(BOUND).unwrap() });
        drop(again);
        until_blocking(|| threads() == before);
    });
}

/// It has gone to sleep when the reactor wakes up: that ends its sleep. In a process of its own, where no other
/// reactor keeps it awake.
#[test]
fn one_that_wakes_up_and_blocks_is_named() {
    in_own_process("record::watchdog::one_that_wakes_up_and_blocks_is_named", || {
        let (reactor, told) = watched(Duration::from_millis(4));
        let name = reactor.block_on(async move {
            sleep(Duration::from_millis(200)).await;
            while told.try_recv().is_ok() {}
            told.recv_timeout(BOUND).unwrap().name
        });
        assert_eq!(name.as_deref(), Some("block_on"));
    });
}

/// While all reactors sleep, so does it: no processor time passes.
#[test]
fn it_sleeps_while_everybody_does() {
    in_own_process("record::watchdog::it_sleeps_while_everybody_does", || {
        let (reactor, told) = watched(Duration::from_millis(4));
        // Once it has looked at something.
        let told = reactor.block_on(async move {
            told.recv_timeout(BOUND).unwrap();
            told
        });
        let switches = || {
            let status = |task: std::fs::DirEntry| {
                let read =
                    |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
                (read("comm").trim() == "evented-watchdo").then(|| read("status"))
            };
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let status = tasks.map(Result::unwrap).find_map(status).unwrap();
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt")).unwrap();
            line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
        };
        // It goes to sleep after the next look, and then for good.
        reactor.block_on(sleep(Duration::from_millis(50)));
        let before = switches();
        reactor.block_on(sleep(Duration::from_millis(400)));
        // A hundred ticks if it looked all the time.
        assert!(switches() - before < 20, "{} to {}", before, switches());
        drop(told);
    });
}

/// What is given out when a task does something, with the last event.
fn given(triggers: &[Trigger], deadline: bool, task: fn()) -> Vec<(Trigger, What)> {
    let (sender, records) = mpsc::channel();
    let reactor = Reactor::builder()
        .virtual_time()
        .record_on(triggers.iter().copied(), move |trigger, record| {
            sender.send((trigger, record.events().last().unwrap().what.clone())).unwrap();
            panic!("a panic of the hook is nobody's");
        })
        .build()
        .unwrap();
    let late = reactor.add_class(ClassSpec::new("late").order(Order::Deadline)).unwrap();
    let options = Spawn::new().class(late);
    let options = if deadline { options.deadline(Duration::from_micros(5)) } else { options };
    let task = reactor.spawn_with(options, async move { task() });
    reactor.block_on(async { drop(task.await) });
    // It waits for the hook.
    drop(reactor);
    records.try_iter().collect()
}

#[test]
fn triggers_hand_the_record_out() {
    let slow = || advance(Duration::from_millis(2));
    let brief = || advance(Duration::from_micros(10));
    let panics = || panic!("on purpose");
    let overrun = What::Overrun(Duration::from_millis(2));
    assert_eq!(given(&[Trigger::SlowPoll], false, slow), [(Trigger::SlowPoll, overrun)]);
    let missed = What::DeadlineMiss(Duration::from_micros(5));
    assert_eq!(given(&[Trigger::DeadlineMiss], true, brief), [(Trigger::DeadlineMiss, missed)]);
    let panicked = given(&[Trigger::Panic, Trigger::SlowPoll], false, panics);
    assert!(matches!(
        panicked[..],
        [(Trigger::Panic, What::Poll { result: evented::record::Polled::Panicked, .. })]
    ));
    // Nobody asked for these.
    assert_eq!(given(&[Trigger::Panic], true, slow), []);
    assert_eq!(given(&[], false, panics), []);
}

/// Dropping the reactor waits for who is being given its record.
#[test]
fn a_record_is_not_lost_in_the_end() {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let reactor = Reactor::builder()
        .record_on([Trigger::Panic], move |trigger, record| {
            assert_eq!(trigger, Trigger::Panic);
            // A reactor of its own on this thread.
            evented::block_on(sleep(Duration::from_millis(20)));
            count.fetch_add(record.events().len().min(1), Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let task = reactor.spawn(async { panic!("on purpose") });
    assert!(reactor.block_on(task).is_err());
    drop(reactor);
    assert_eq!(given.load(Ordering::SeqCst), 1);
}
