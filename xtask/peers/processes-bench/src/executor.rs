//! What all contenders have in common that are a pool of processes: numbers go in and come out.

use std::collections::VecDeque;

use crate::{ipc, stream};

/// A pool of worker processes, each of which answers numbers with themselves.
pub(crate) trait Executor: Sized {
    /// What contenders that use it are called.
    const NAME: &'static str;

    /// A pool with so many workers.
    fn start(workers: usize) -> Self;

    /// Has one number answered.
    fn ask(&self, x: u64) -> u64;

    /// Has these numbers answered, each in a call of its own, all of them under way at once as far
    /// as the pool allows; the answers in the order of the numbers.
    fn batch(&self, numbers: impl Iterator<Item = u64>) -> Vec<u64>;
}

/// A pool whose workers are all up.
pub(crate) fn started<P: Executor>(workers: usize) -> P {
    let pool = P::start(workers);
    pool.batch(0..1_000);
    pool
}

/// The call.
pub(crate) fn same(x: u64) -> u64 {
    x
}

impl Executor for processes::Pool {
    const NAME: &'static str = "processes";

    fn start(workers: usize) -> Self {
        Self::new(workers).expect("processes can be started")
    }

    fn ask(&self, x: u64) -> u64 {
        self.submit(same, x).join().expect("the call does not fail")
    }

    fn batch(&self, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
        let handles: Vec<_> = numbers.map(|x| self.submit(same, x)).collect();
        handles.into_iter().map(|handle| handle.join().expect("no call fails")).collect()
    }
}

impl Executor for procspawn::Pool {
    const NAME: &'static str = "procspawn";

    fn start(workers: usize) -> Self {
        Self::new(workers).expect("processes can be started")
    }

    fn ask(&self, x: u64) -> u64 {
        self.spawn(x, same).join().expect("the call does not fail")
    }

    fn batch(&self, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
        let handles: Vec<_> = numbers.map(|x| self.spawn(x, same)).collect();
        handles.into_iter().map(|handle| handle.join().expect("no call fails")).collect()
    }
}

/// Workers at the other end of Unix sockets.
#[derive(Debug)]
pub(crate) struct Streams(Vec<stream::Worker>);

impl Executor for Streams {
    const NAME: &'static str = stream::NAME;

    fn start(workers: usize) -> Self {
        Self((0..workers).map(|_| stream::Worker::start("stream-echo", &[])).collect())
    }

    fn ask(&self, x: u64) -> u64 {
        self.0[0].send(x);
        self.0[0].receive()
    }

    fn batch(&self, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
        in_turn(&self.0, numbers, stream::Worker::send, stream::Worker::receive)
    }
}

/// Workers at the other end of channels.
#[derive(Debug)]
pub(crate) struct Channels(Vec<ipc::Worker<u64, u64>>);

impl Executor for Channels {
    const NAME: &'static str = ipc::NAME;

    fn start(workers: usize) -> Self {
        Self((0..workers).map(|_| ipc::Worker::start("ipc-echo", &[])).collect())
    }

    fn ask(&self, x: u64) -> u64 {
        self.0[0].send(x);
        self.0[0].receive()
    }

    fn batch(&self, numbers: impl Iterator<Item = u64>) -> Vec<u64> {
        in_turn(&self.0, numbers, ipc::Worker::send, ipc::Worker::receive)
    }
}

/// Sends to the workers in turn, with a window for each, and receives in the same order.
fn in_turn<W>(
    workers: &[W],
    numbers: impl Iterator<Item = u64>,
    send: impl Fn(&W, u64),
    receive: impl Fn(&W) -> u64,
) -> Vec<u64> {
    let (mut under_way, mut answers) = (VecDeque::new(), Vec::new());
    for (x, worker) in numbers.zip(workers.iter().cycle()) {
        if under_way.len() == ipc::WINDOW * workers.len() {
            answers.extend(under_way.pop_front().map(&receive));
        }
        send(worker, x);
        under_way.push_back(worker);
    }
    answers.extend(under_way.into_iter().map(receive));
    answers
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn answers_come_in_order_and_windows_are_kept() {
        let workers = [RefCell::new(VecDeque::new()), RefCell::new(VecDeque::new())];
        let send = |worker: &RefCell<VecDeque<u64>>, x| {
            worker.borrow_mut().push_back(x);
            assert!(worker.borrow().len() <= ipc::WINDOW);
        };
        let receive = |worker: &RefCell<VecDeque<u64>>| worker.borrow_mut().pop_front().unwrap();
        let answers = in_turn(&workers, 0..1_001, send, receive);
        assert!(answers.into_iter().eq(0..1_001));
    }
}
