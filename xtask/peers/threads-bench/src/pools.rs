//! The pool that one writes with nothing but `std`.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

/// What goes through the channel.
type Job = Box<dyn FnOnce() + Send>;

/// Worker threads that share the receiving end of one channel: the pool of the Rust book (chapter
/// 21.2, "Turning Our Single-Threaded Server into a Multithreaded Server"), as to its parts.
#[derive(Debug)]
pub(crate) struct ChannelPool {
    /// Where jobs go; taken to end the workers.
    jobs: Option<Sender<Job>>,
    /// The threads, joined when the pool is dropped.
    workers: Vec<JoinHandle<()>>,
}

impl ChannelPool {
    /// A pool with so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let (send, receive) = mpsc::channel();
        let receive = Arc::new(Mutex::new(receive));
        let worker = |_| {
            let receive = Arc::clone(&receive);
            thread::spawn(move || work(&receive))
        };
        Self { jobs: Some(send), workers: (0..workers).map(worker).collect() }
    }

    /// Queues a job.
    pub(crate) fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let jobs = self.jobs.as_ref().expect("they are taken by drop only");
        jobs.send(Box::new(job)).expect("the workers live as long as the pool");
    }
}

impl Drop for ChannelPool {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            worker.join().expect("no job panics");
        }
    }
}

/// What a worker does until the channel is closed: takes jobs in turn, and runs them without the
/// lock.
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().expect("nobody panics under the lock").recv();
        match job {
            Ok(job) => job(),
            Err(_closed) => return,
        }
    }
}
