//! Ending tasks from outside: tokens, shields, races, and groups that end together.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use evented::{
    CancelToken, Cancelled, JoinError, Reactor, TaskGroup, block_on, race, shield, sleep, spawn,
    timeout, yield_now,
};

use crate::support::{bounded, poll_once, until};

/// Counts down when dropped.
struct Alive(Rc<Cell<u32>>);

impl Alive {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn cancelling_goes_down_and_never_up() {
    let root = CancelToken::new();
    let (child, other) = (root.child(), root.child());
    // The one in between is not kept.
    let grandchild = child.child().child();
    assert!(child.check().is_ok());
    child.cancel();
    child.cancel();
    assert!(grandchild.is_cancelled() && child.check() == Err(Cancelled));
    assert!(!root.is_cancelled() && !other.is_cancelled());
    assert!(child.child().is_cancelled(), "a child of one that was cancelled is born so");
    root.cancel();
    assert!(other.is_cancelled());
    assert!(format!("{root:?}").contains("is_cancelled: true"));
}

#[test]
fn what_runs_under_a_token_ends_on_the_spot() {
    block_on(bounded(async {
        let (root, alive) = (CancelToken::new(), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let (token, alive) = (root.child(), Alive::new(&alive));
                spawn(async move {
                    token
                        .run(async move {
                            let _alive = alive;
                            pending::<()>().await;
                        })
                        .await
                })
            })
            .collect();
        yield_now().await;
        root.cancel();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Err(Cancelled));
        }
        assert_eq!(alive.get(), 0);
        // One that is ready is not cancelled; one that comes late does not begin.
        assert_eq!(CancelToken::default().run(async { 1 }).await, Ok(1));
        let began = Cell::new(false);
        assert_eq!(root.run(async { began.set(true) }).await, Err(Cancelled));
        assert!(!began.get());
    }));
}

#[test]
fn those_who_wait_are_told_in_order_after_all_are_cancelled() {
    block_on(bounded(async {
        let root = CancelToken::new();
        let last = root.child();
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                let (root, last, order) = (root.clone(), last.clone(), Rc::clone(&order));
                spawn(async move {
                    root.cancelled().await;
                    order.borrow_mut().push((n, last.is_cancelled()));
                })
            })
            .collect();
        yield_now().await;
        let mut gives_up = root.cancelled();
        assert!(poll_once(&mut gives_up).is_pending());
        drop(gives_up);
        root.cancel();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [(0, true), (1, true), (2, true)]);
        // To ask one that is cancelled keeps nobody from running.
        let asks = spawn(async move {
            loop {
                root.cancelled().await;
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(asks.cancel().await.is_err());
    }));
}

#[test]
fn tokens_of_a_long_line_and_of_many_requests_leave_nothing() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    // Neither the drop nor the cancel of a long line goes down the stack.
    for is_cancelled in [false, true] {
        let root = CancelToken::new();
        let mut last = root.child();
        for _ in 0..200_000 {
            last = last.child();
        }
        if is_cancelled {
            root.cancel();
            assert!(last.is_cancelled());
        }
        drop(root);
        drop(last);
    }
    // A token that lives long, and many that do not.
    let (server, woken) = (CancelToken::new(), Arc::new(Counts(AtomicUsize::new(0))));
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..1_000 {
        let request = server.child();
        let mut wait = request.cancelled();
        assert!(Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)).is_pending());
        let mut gives_up = server.cancelled();
        assert!(Pin::new(&mut gives_up).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert!(format!("{server:?}").contains("children: Some(0)"), "{server:?}");
    assert_eq!(Arc::strong_count(&woken), 2, "no waker is kept");
    server.cancel();
    assert_eq!(woken.0.load(Ordering::SeqCst), 0, "the requests are gone, and nobody waits");
}

#[test]
fn a_token_between_threads() {
    for _ in 0..crate::support::rounds(50, 2_000) {
        let root = CancelToken::new();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let token = root.child();
                std::thread::spawn(move || {
                    block_on(bounded(async move {
                        let tasks: Vec<_> = (0..5)
                            .map(|_| {
                                let token = token.child();
                                spawn(async move { token.cancelled().await })
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    }));
                })
            })
            .collect();
        root.cancel();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_shielded_task_goes_on() {
    let reactor = Reactor::new().unwrap();
    reactor.block_on(bounded(async {
        let done = Rc::new(Cell::new(0));
        let slow = |done: &Rc<Cell<u32>>| {
            let done = Rc::clone(done);
            async move {
                for _ in 0..10 {
                    yield_now().await;
                }
                done.set(done.get() + 1);
                done.get()
            }
        };
        assert_eq!(shield(slow(&done)).await.unwrap(), 1);
        assert!(timeout(Duration::ZERO, shield(slow(&done))).await.is_err());
        until(|| done.get() == 2).await;
        // A task that awaits one is cancelled, and takes nothing along.
        let shielded = spawn(slow(&done)).shield();
        let waiter = spawn(async move { shielded.await.unwrap() });
        yield_now().await;
        assert!(waiter.cancel().await.is_err());
        until(|| done.get() == 3).await;
        // Without its shield it can be cancelled.
        let task = shield(slow(&done)).into_task().unwrap();
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(done.get(), 3);
        // A panic is an error of the task, as ever.
        assert!(matches!(
            shield(async { panic!("mine") }).await,
            Err::<(), _>(JoinError::Panicked(_))
        ));
        // It ends with its reactor.
        drop(shield(async move {
            pending::<()>().await;
            drop(done);
        }));
    }));
    drop(reactor);
}

#[test]
fn a_race_ends_its_losers_before_it_returns() {
    block_on(bounded(async {
        let alive = Rc::new(Cell::new(0));
        let runner = |rounds: u32| {
            let alive = Alive::new(&alive);
            spawn(async move {
                let _alive = alive;
                for _ in 0..rounds {
                    yield_now().await;
                }
                rounds
            })
        };
        let (winner, result) =
            race([runner(1_000_000), runner(3), runner(1_000_000)]).await.unwrap();
        assert_eq!((winner, result.unwrap(), alive.get()), (1, 3, 0));
        // Of those that have finished when it looks, the first in order wins.
        let (winner, _) = race([runner(50), runner(4), runner(4)]).await.unwrap();
        assert_eq!((winner, alive.get()), (1, 0));
        assert!(race(Vec::<evented::Task<()>>::new()).await.is_none());
        // An error is an end, too.
        let loser = spawn(async { panic!("first") });
        let endless = spawn(pending());
        let (winner, result) = race([endless, loser]).await.unwrap();
        assert_eq!(winner, 1);
        assert!(matches!(result, Err::<(), _>(JoinError::Panicked(_))));
        // Losers that panic when they are dropped, or drop a result that does, change nothing.
        let angry = |rounds: u32| {
            spawn(async move {
                let bomb = Bomb;
                for _ in 0..rounds {
                    yield_now().await;
                }
                Some(bomb)
            })
        };
        let (winner, result) = race([spawn(async { None }), angry(0), angry(9)]).await.unwrap();
        assert!(winner == 0 && result.unwrap().is_none());
        // When the race itself is given up, all are cancelled.
        let given_up = race([runner(1_000_000), runner(1_000_000)]);
        assert!(timeout(Duration::from_millis(1), given_up).await.is_err());
        until(|| alive.get() == 0).await;
    }));
}

/// Panics when dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[test]
fn a_group_that_is_joined_keeps_the_order_of_its_tasks() {
    block_on(bounded(async {
        let mut group = TaskGroup::new();
        let spawn_into = |group: &mut TaskGroup<u32>, rounds: u32| {
            group.spawn(async move {
                for _ in 0..rounds {
                    yield_now().await;
                }
                rounds
            });
        };
        assert!(group.try_next().is_none());
        for rounds in [9, 1, 5] {
            spawn_into(&mut group, rounds);
        }
        assert!(group.try_next().is_none(), "none is there yet");
        let all: Vec<_> = group.join_all().await.into_iter().map(Result::unwrap).collect();
        assert_eq!((all, group.len()), (vec![9, 1, 5], 0));
        for rounds in [2, 0] {
            spawn_into(&mut group, rounds);
        }
        assert_eq!(group.try_join_all().await.unwrap(), [2, 0]);
        spawn_into(&mut group, 0);
        yield_now().await;
        assert_eq!(group.try_next().unwrap().unwrap(), 0);
        assert!(group.try_next().is_none());
    }));
}

#[test]
fn a_group_fails_together_and_is_shut_down_or_left_alone() {
    block_on(bounded(async {
        let alive = Rc::new(Cell::new(0));
        let endless = |group: &mut TaskGroup<()>| {
            let alive = Alive::new(&alive);
            group.spawn(async move {
                let _alive = alive;
                pending::<()>().await;
            });
        };
        let mut group = TaskGroup::new();
        endless(&mut group);
        group.spawn(async { panic!("first") });
        endless(&mut group);
        let error = group.try_join_all().await.unwrap_err();
        assert!(error.to_string().ends_with("first"), "{error}");
        assert_eq!((alive.get(), group.len()), (0, 0), "the others have ended");
        // A drop that panics keeps nobody from the next.
        for _ in 0..3 {
            endless(&mut group);
            group.spawn(async {
                let _bomb = Bomb;
                pending::<()>().await;
            });
        }
        yield_now().await;
        group.shutdown().await;
        assert_eq!((alive.get(), group.len()), (0, 0));
        group.shutdown().await;
        // Nor does a result of which the drop panics.
        let mut angry = TaskGroup::new();
        for _ in 0..3 {
            angry.spawn(async { Bomb });
        }
        yield_now().await;
        angry.shutdown().await;
        assert!(angry.is_empty());
        let done = Rc::new(Cell::new(0));
        for _ in 0..3 {
            let done = Rc::clone(&done);
            group.spawn(async move {
                yield_now().await;
                done.set(done.get() + 1);
            });
        }
        group.detach_all();
        until(|| done.get() == 3).await;
    }));
}

/// The rule of asyncio: a task that is cancelled while it waits for another gives that up, and a task that
/// is done is not cancelled any more.
#[test]
fn a_cancelled_task_is_polled_no_more_and_a_finished_one_keeps_its_result() {
    block_on(bounded(async {
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        let task = spawn(poll_fn(move |cx| {
            count.set(count.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        yield_now().await;
        let before = polls.get();
        assert!(matches!(task.cancel().await, Err(JoinError::Cancelled)));
        assert_eq!(polls.get(), before);
        let task = spawn(async { 7 });
        yield_now().await;
        assert_eq!(task.cancel().await.unwrap(), 7);
    }));
}

#[test]
fn nothing_runs_under_a_cancelled_token_when_no_operation_is_left() {
    block_on(bounded(async {
        let (token, always) = (CancelToken::new(), evented::sync::Event::new());
        always.set();
        token.cancel();
        // In one poll, more than it may do.
        for _ in 0..1_000 {
            let mut wait = always.wait();
            poll_fn(|cx| Poll::Ready(Pin::new(&mut wait).poll(cx).is_ready())).await;
        }
        let ran = Cell::new(false);
        assert_eq!(token.run(async { ran.set(true) }).await, Err(Cancelled));
        assert!(!ran.get());
    }));
}
