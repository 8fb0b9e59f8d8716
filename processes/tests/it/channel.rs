//! A channel between processes.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use processes::{
    CallOptions, JoinError, Pool, Queue, Receiver, RecvError, SendError, Sender, channel, spawn,
};

use crate::support::{BOUND, gated, gates, kill, mistaken, rounds, soon, state_of, wait_until};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn it_is_bounded_and_keeps_order() {
    let (send, receive) = channel(2).unwrap();
    send.send(String::from("one")).unwrap();
    send.try_send(String::from("two")).unwrap();
    let error = send.try_send(String::from("three")).unwrap_err();
    assert!(matches!(&error, SendError::Full(value) if value == "three"));
    let error = send.send_timeout(error.into_inner(), SHORT).unwrap_err();
    assert!(matches!(error, SendError::TimedOut(_)));
    assert_eq!((send.len(), receive.len(), send.capacity(), receive.capacity()), (2, 2, 2, 2));
    assert_eq!(receive.recv().unwrap(), "one");
    assert_eq!(receive.try_recv().unwrap(), "two");
    assert_eq!(receive.try_recv(), Err(RecvError::Empty));
    assert_eq!(receive.recv_timeout(SHORT), Err(RecvError::TimedOut));
    assert!(send.is_empty() && receive.is_empty());
    let error = send.send("x".repeat(2 << 20)).unwrap_err();
    assert!(matches!(error, SendError::Unsendable(value, _) if value.len() == 2 << 20));
    for n in [0, usize::MAX] {
        assert_eq!(channel::<u8>(n).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn each_side_learns_that_the_other_is_gone() {
    let (send, receive) = channel(4).unwrap();
    let other = send.clone();
    send.send(1_u8).unwrap();
    drop(send);
    other.send(2).unwrap();
    drop(other);
    assert_eq!(receive.iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(receive.try_recv(), Err(RecvError::Disconnected));
    assert_eq!(receive.recv_timeout(BOUND), Err(RecvError::Disconnected));
    let (send, receive) = channel(1).unwrap();
    send.send(1_u8).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| send.send(2));
        drop(receive);
        assert!(matches!(waits.join().unwrap(), Err(SendError::Disconnected(2))));
    });
    assert!(matches!(send.try_send(3), Err(SendError::Disconnected(3))));
}

/// Sends so many numbers from the start on.
fn produce((send, start, count): (Sender<u64>, u64, u64)) {
    (start..start + count).for_each(|x| send.send(x).unwrap());
}

#[test]
fn many_senders_in_other_processes_and_the_end() {
    let pool = Pool::new(3).unwrap();
    let (send, receive) = channel::<u64>(8).unwrap();
    let calls = [0, 1_000, 2_000].map(|start| pool.submit(produce, (send.clone(), start, 1_000)));
    drop(send);
    let mut last = [None; 3];
    let mut sum = 0;
    for x in receive.iter() {
        let x = x.unwrap();
        let before = last[usize::try_from(x / 1_000).unwrap()].replace(x);
        assert!(before.is_none_or(|before| before < x), "each sender's values keep their order");
        sum += x;
    }
    assert_eq!(sum, (0..3_000).sum::<u64>());
    for call in calls {
        call.join().unwrap();
    }
}

#[test]
fn a_receiver_in_another_process_and_the_end() {
    let (send, receive) = channel(8).unwrap();
    let add: fn(Receiver<u64>) -> u64 = |receive| receive.iter().map(Result::unwrap).sum();
    let call = spawn(add, receive).unwrap();
    (0..1_000).for_each(|x| send.send(x).unwrap());
    drop(send);
    assert_eq!(call.join_timeout(BOUND).expect("it was told").unwrap(), 499_500);
}

/// Says that it runs, and never ends; it has an end of a channel.
fn hold<T>((entered, _end): (Queue<u32>, T)) {
    entered.put(std::process::id()).unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn the_death_of_the_last_sender_is_noticed() {
    let entered = Queue::bounded(4).unwrap();
    let (send, receive) = channel::<u8>(4).unwrap();
    let calls = [(); 2].map(|()| spawn(hold, (entered.clone(), send.clone())).unwrap());
    drop(send);
    for (number, call) in calls.into_iter().enumerate() {
        soon(&entered);
        assert_eq!(receive.recv_timeout(SHORT), Err(RecvError::TimedOut), "{number} are dead");
        call.kill();
        call.join().unwrap_err();
    }
    assert_eq!(receive.try_recv(), Err(RecvError::Disconnected), "at once");
}

#[test]
fn the_death_of_the_last_receiver_is_noticed() {
    let entered = Queue::bounded(1).unwrap();
    let (send, receive) = channel::<u8>(1).unwrap();
    let call = spawn(hold, (entered.clone(), receive)).unwrap();
    soon(&entered);
    send.send(1).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| send.send_timeout(2, BOUND));
        call.kill();
        assert!(matches!(waits.join().unwrap(), Err(SendError::Disconnected(2))));
    });
    call.join().unwrap_err();
}

/// What a call has kept in its worker.
static KEPT: Mutex<Vec<Sender<u8>>> = Mutex::new(Vec::new());

/// Keeps a sender in this worker.
fn keep(send: Sender<u8>) -> u32 {
    send.send(1).unwrap();
    KEPT.lock().unwrap().push(send);
    std::process::id()
}

#[test]
fn an_end_that_a_worker_has_kept_counts_until_it_dies() {
    let pool = Pool::new(1).unwrap();
    let (send, receive) = channel(4).unwrap();
    let worker = pool.submit(keep, send).join().unwrap();
    assert_eq!(receive.recv_timeout(BOUND), Ok(1));
    assert_eq!(receive.recv_timeout(SHORT), Err(RecvError::TimedOut), "the worker has it");
    thread::scope(|scope| {
        let waits = scope.spawn(|| receive.recv_timeout(BOUND));
        kill(worker);
        assert_eq!(waits.join().unwrap(), Err(RecvError::Disconnected));
    });
    // Dropped by the worker: at once.
    let (send, receive) = channel(4).unwrap();
    pool.submit(keep, send).join().unwrap();
    assert_eq!(receive.recv_timeout(BOUND), Ok(1));
    pool.submit(|()| KEPT.lock().unwrap().clear(), ()).join().unwrap();
    assert_eq!(receive.try_recv(), Err(RecvError::Disconnected));
}

/// One sleeps while this process holds the other side; when it has let go, the sleeper watches.
#[test]
fn a_sleeper_watches_when_this_process_has_let_go() {
    let pool = Pool::new(1).unwrap();
    let (send, receive) = channel(4).unwrap();
    let worker = pool.submit(keep, send.clone()).join().unwrap();
    assert_eq!(receive.recv_timeout(BOUND), Ok(1));
    thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let receive = &receive;
        let waits = scope.spawn(move || {
            tell.send(thread_id()).unwrap();
            let start = Instant::now();
            let end = receive.recv_timeout(BOUND);
            assert!(start.elapsed() < BOUND, "it was not woken");
            end
        });
        let thread = told.recv().unwrap();
        wait_until("it sleeps", || state_of(thread) == "S");
        drop(send);
        kill(worker);
        assert_eq!(waits.join().unwrap(), Err(RecvError::Disconnected));
    });
}

/// The number of this thread, under which `/proc` has it.
fn thread_id() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap();
    link.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_call_that_is_cancelled_gives_its_end_back_at_once() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let running = pool.submit(gated, (entered.clone(), gate.clone()));
    soon(&entered);
    let (send, receive) = channel(4).unwrap();
    // The first of them is in the worker's socket, the last in the queue.
    let calls: Vec<_> = (0..200).map(|_| pool.submit(keep, send.clone())).collect();
    drop(send);
    assert_eq!(receive.try_recv(), Err(RecvError::Empty));
    assert!(calls.iter().all(processes::JoinHandle::cancel));
    assert_eq!(receive.try_recv(), Err(RecvError::Disconnected));
    gate.put(1).unwrap();
    running.join().unwrap();
}

#[test]
fn a_call_that_is_run_again_still_has_its_end() {
    let pool = Pool::new(1).unwrap();
    let attempts = processes::Lock::new(0_u32).unwrap();
    let (send, receive) = channel(4).unwrap();
    let fragile: fn((processes::Lock<u32>, Sender<u32>)) = |(attempts, send)| {
        let mut attempts = attempts.lock().unwrap();
        *attempts += 1;
        let attempt = *attempts;
        drop(attempts);
        send.send(attempt).unwrap();
        if attempt < 3 {
            std::process::abort();
        }
    };
    let call = pool.submit_with(CallOptions::new().retries(5), fragile, (attempts, send));
    let values: Vec<_> = receive.iter().map(Result::unwrap).collect();
    assert_eq!(values, [1, 2, 3]);
    call.join().unwrap();
}

#[test]
fn ends_travel_only_in_arguments() {
    let pool = Pool::new(1).unwrap();
    let (send, receive) = channel::<u8>(1).unwrap();
    let back = pool.submit(|send: Sender<u8>| send, send.clone()).join().unwrap_err();
    assert!(matches!(&back, JoinError::Encode { .. }), "{back}");
    assert!(back.to_string().contains("cannot be returned"), "{back}");
    let outer = Queue::<Sender<u8>>::bounded(1).unwrap();
    let error = outer.put(send.clone()).unwrap_err().to_string();
    assert!(error.contains("inside the argument of a call"), "{error}");
    let error = mistaken::<_, Queue<u8>>(send.clone());
    assert!(error.contains("no queue"), "{error}");
    let error = mistaken::<_, Sender<u8>>(Queue::<u8>::bounded(1).unwrap());
    assert!(error.contains("no channel"), "{error}");
    drop(send);
    assert_eq!(receive.try_recv(), Err(RecvError::Disconnected), "nothing was left behind");
}

#[test]
fn a_pool_in_a_worker_passes_it_on() {
    let (send, receive) = channel(4).unwrap();
    let outer: fn(Sender<u64>) = |send| {
        let pool = Pool::new(1).unwrap();
        pool.submit(produce, (send, 5, 2)).join().unwrap();
    };
    let call = spawn(outer, send).unwrap();
    assert_eq!(receive.iter().map(Result::unwrap).collect::<Vec<_>>(), [5, 6]);
    call.join().unwrap();
}

/// Killed at any step, a process leaves no message half, and nobody asleep.
#[test]
fn it_survives_processes_that_are_killed_inside_of_it() {
    let sends: fn(Sender<u32>) = |send| while send.send(7).is_ok() {};
    let takes: fn(Receiver<u32>) = |receive| while receive.recv().is_ok() {};
    for round in 0..rounds(30, 300) {
        let (send, receive) = channel(2).unwrap();
        let senders = [(); 2].map(|()| spawn(sends, send.clone()).unwrap());
        drop(send);
        for _ in 0..round * 7 {
            assert_eq!(receive.recv_timeout(BOUND), Ok(7));
        }
        for sender in &senders {
            sender.kill();
        }
        let end = receive.iter().find(|value| *value != Ok(7));
        assert_eq!(end, None, "round {round}");
        for sender in senders {
            sender.join().unwrap_err();
        }
        let (send, receive) = channel(2).unwrap();
        let receiver = spawn(takes, receive).unwrap();
        for _ in 0..round * 7 {
            send.send_timeout(7, BOUND).unwrap();
        }
        receiver.kill();
        while send.send_timeout(7, BOUND).is_ok() {}
        assert!(matches!(send.send_timeout(7, BOUND), Err(SendError::Disconnected(7))));
        receiver.join().unwrap_err();
    }
}
