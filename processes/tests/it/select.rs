//! Waiting for whichever of several things comes first.

use std::thread;
use std::time::{Duration, Instant};

use processes::{Pool, ProcessBuilder, Queue, RecvError, Select, Sender, channel};

use crate::support::{BOUND, gated, gates, rounds, soon};

const SHORT: Duration = Duration::from_millis(20);

/// What becomes ready soon: it is not only found when time is over.
#[track_caller]
fn woken(select: &Select<'_>) -> Vec<usize> {
    let start = Instant::now();
    let ready = select.wait(BOUND);
    assert!(start.elapsed() < BOUND, "it was not woken");
    ready
}

#[test]
fn each_kind_is_noticed() {
    let pool = Pool::new(1).unwrap();
    let (entered, gate) = gates();
    let (send, receive) = channel(2).unwrap();
    let queue = Queue::bounded(2).unwrap();
    let call = pool.submit(gated, (entered.clone(), gate.clone()));
    let process = ProcessBuilder::new().spawn(gated, (entered.clone(), gate.clone())).unwrap();
    let _ids = (soon(&entered), soon(&entered));
    let mut select = Select::new();
    let value = select.recv(&receive);
    let message = select.get(&queue);
    let result = select.join(&call);
    let end = select.end(&process);
    assert_eq!((value, message, result, end, select.len()), (0, 1, 2, 3, 4));
    assert!(select.wait(SHORT).is_empty());
    assert!(select.wait(Duration::ZERO).is_empty());
    send.send(1_u8).unwrap();
    assert_eq!(woken(&select), [value]);
    assert_eq!(receive.try_recv(), Ok(1));
    queue.put(2_u8).unwrap();
    assert_eq!(woken(&select), [message]);
    send.send(3_u8).unwrap();
    assert_eq!(woken(&select), [value, message], "all that are ready");
    assert_eq!((receive.recv(), queue.get()), (Ok(3), Ok(2)));
    process.kill();
    assert_eq!(woken(&select), [end]);
    gate.put(4).unwrap();
    let mut seen = woken(&select);
    if !seen.contains(&result) {
        let mut only = Select::new();
        only.join(&call);
        assert_eq!(woken(&only), [0]);
        seen = woken(&select);
    }
    assert_eq!(seen, [result, end]);
    assert_eq!(call.join().unwrap(), 4);
    process.join().unwrap_err();
}

/// Its result is there before its end.
#[test]
fn a_process_that_ends_well() {
    let (entered, gate) = gates();
    for _ in 0..10 {
        let process = ProcessBuilder::new().spawn(gated, (entered.clone(), gate.clone())).unwrap();
        soon(&entered);
        let mut select = Select::new();
        select.end(&process);
        gate.put(3).unwrap();
        assert_eq!(woken(&select), [0]);
        assert!(process.is_finished());
        assert_eq!(process.join().unwrap(), 3);
    }
}

#[test]
fn the_end_of_a_queue_and_of_a_channel_is_ready() {
    let (send, receive) = channel::<u8>(2).unwrap();
    let queue = Queue::<u8>::bounded(2).unwrap();
    let mut select = Select::new();
    select.recv(&receive);
    select.get(&queue);
    thread::scope(|scope| {
        let waits = scope.spawn(|| woken(&select));
        drop(send);
        assert_eq!(waits.join().unwrap(), [0]);
    });
    queue.shutdown();
    assert_eq!(woken(&select), [0, 1]);
}

#[test]
fn a_sender_that_is_killed_is_noticed() {
    let (entered, gate) = gates();
    let (send, receive) = channel::<u8>(2).unwrap();
    let holds: fn((Sender<u8>, _)) -> u32 = |(_send, gates)| gated(gates);
    let call = processes::spawn(holds, (send, (entered.clone(), gate))).unwrap();
    soon(&entered);
    let queue = Queue::<u8>::bounded(2).unwrap();
    let mut select = Select::new();
    select.recv(&receive);
    select.get(&queue);
    thread::scope(|scope| {
        let waits = scope.spawn(|| woken(&select));
        call.kill();
        assert_eq!(waits.join().unwrap(), [0]);
    });
    assert_eq!(receive.recv(), Err(RecvError::Disconnected));
    call.join().unwrap_err();
}

#[test]
#[should_panic(expected = "add something")]
fn nothing_to_wait_for() {
    assert!(Select::new().wait(SHORT).is_empty());
    Select::new().wait(None);
}

/// More than the kernel waits for at a time.
#[test]
fn hundreds_of_queues() {
    let queues: Vec<_> = (0..200).map(|_| Queue::<u32>::with_bytes(1, 16).unwrap()).collect();
    let mut select = Select::new();
    for queue in &queues {
        select.get(queue);
    }
    for number in [0, 100, 199] {
        thread::scope(|scope| {
            let waits = scope.spawn(|| woken(&select));
            queues[number].put(1).unwrap();
            assert_eq!(waits.join().unwrap(), [number]);
        });
        queues[number].get().unwrap();
    }
}

/// Every value is waited for, from whichever queue and process it comes.
#[test]
fn no_wake_up_is_lost() {
    let echo: fn((Queue<u32>, Queue<u32>)) = |(from, to)| {
        while let Ok(value) = from.get() {
            to.put(value).unwrap();
        }
    };
    let pool = Pool::new(2).unwrap();
    let pairs = [(); 2].map(|()| (Queue::bounded(1).unwrap(), Queue::bounded(1).unwrap()));
    let calls = pairs.each_ref().map(|pair| pool.submit(echo, pair.clone()));
    let (_send, receive) = channel::<u8>(1).unwrap();
    let mut select = Select::new();
    for (_, back) in &pairs {
        select.get(back);
    }
    select.recv(&receive);
    select.join(&calls[0]);
    for x in 0..rounds(3_000, 100_000) {
        let side = usize::from(x % 3 == 0);
        pairs[side].0.put(x).unwrap();
        assert_eq!(woken(&select), [side], "round {x}");
        assert_eq!(pairs[side].1.get(), Ok(x));
    }
    for (there, _) in &pairs {
        there.shutdown();
    }
    for call in calls {
        call.join().unwrap();
    }
}
