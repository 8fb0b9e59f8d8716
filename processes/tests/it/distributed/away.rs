//! A client that is away for longer than nodes wait for it, and comes back.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use processes::{Cluster, JoinError, ProcessBuilder, Queue};

use super::faults::held;
use super::support::{Broker, LEASE, Marks, Node, connect};
use super::{processes_sleep, square};
use crate::support::{BOUND, soon, wait_until};

/// A way to a broker that can be cut.
struct Way {
    /// Takes connections.
    listener: TcpListener,
    /// Where they go.
    broker: u16,
    /// What there is of them; none while it is cut.
    streams: Mutex<Option<Vec<TcpStream>>>,
}

impl Way {
    /// One that is open to the broker at this port while `during` goes on.
    fn with(broker: u16, during: impl FnOnce(&Self)) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let way = Self { listener, broker, streams: Mutex::new(Some(Vec::new())) };
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Ok((near, _from)) = way.listener.accept() {
                    if ended.load(Ordering::Acquire) {
                        return;
                    }
                    if let Some([(a, b), (c, d)]) = way.joined(near) {
                        scope.spawn(move || copy(a, b));
                        scope.spawn(move || copy(c, d));
                    }
                }
            });
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| during(&way)));
            ended.store(true, Ordering::Release);
            way.cut();
            drop(TcpStream::connect(way.listener.local_addr().unwrap()));
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// The cluster, by this way.
    fn cluster(&self) -> Cluster {
        let port = self.listener.local_addr().unwrap().port();
        let grace = Duration::from_secs(1);
        Cluster::new(format!("nats://127.0.0.1:{port}")).lease(LEASE).grace(grace)
    }

    /// Both directions of a connection that has come; none while this is cut.
    fn joined(&self, near: TcpStream) -> Option<[(TcpStream, TcpStream); 2]> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = streams.as_mut()?;
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, self.broker)).ok()?;
        let clone = |stream: &TcpStream| stream.try_clone().unwrap();
        streams.extend([clone(&near), clone(&far)]);
        Some([(clone(&near), clone(&far)), (far, near)])
    }

    /// Lets nothing through.
    fn cut(&self) {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner).take();
        for stream in streams.into_iter().flatten() {
            let (Ok(()) | Err(_)) = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets new connections through.
    fn mend(&self) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }
}

/// Copies until one side ends, which ends the other one.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let (Ok(_) | Err(_)) = io::copy(&mut from, &mut to);
    for stream in [from, to] {
        let (Ok(()) | Err(_)) = stream.shutdown(Shutdown::Both);
    }
}

/// The program of a node for which clients are gone after two seconds.
fn impatient((url, ready): (String, Queue<u32>)) {
    let cluster = Cluster::new(url).lease(LEASE).gone_after(Duration::from_secs(2));
    let _node = cluster.node(1).unwrap();
    ready.put(0).unwrap();
    processes_sleep(600_000);
}

/// Starts that, and waits until it serves.
fn impatient_node(broker: &Broker) -> Node {
    let ready = Queue::bounded(1).unwrap();
    let process = ProcessBuilder::new().spawn(impatient, (broker.url(), ready.clone())).unwrap();
    soon(&ready);
    Node::of(process)
}

#[test]
fn what_nodes_have_dropped_meanwhile_is_executed() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = impatient_node(&broker);
    Way::with(broker.ports[0], |way| {
        let pool = connect(&way.cluster());
        let running = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        let others: Vec<_> = (1..20).map(|x| pool.submit(square, x)).collect();
        wait_until("they are in the stream", || broker.messages("calls") == 20);
        way.cut();
        std::fs::write(&gate, "").unwrap();
        wait_until("all is dropped", || broker.messages("calls") == 0);
        way.mend();
        running.join_timeout(2 * BOUND).expect("it ends").unwrap();
        for (x, call) in (1..).zip(others) {
            assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), x * x);
        }
        assert_eq!(marks.counts(1), [2], "its result was dropped, too");
    });
}

#[test]
fn a_call_that_may_be_begun_once_is_lost_when_its_result_is_dropped() {
    let Some(broker) = Broker::start() else { return };
    let (marks, gate) = (Marks::new(broker.dir()), broker.dir().join("gate"));
    let _node = impatient_node(&broker);
    Way::with(broker.ports[0], |way| {
        let pool = connect(&way.cluster().attempts(1));
        let running = pool.submit(held, (marks.path(), gate.to_str().unwrap().to_owned()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        way.cut();
        std::fs::write(&gate, "").unwrap();
        wait_until("its result is dropped", || broker.messages("calls") == 0);
        way.mend();
        let error = running.join_timeout(2 * BOUND).expect("it ends").unwrap_err();
        assert!(matches!(error, JoinError::NodeLost { .. }), "{error}");
        assert_eq!(marks.counts(1), [1]);
    });
}
