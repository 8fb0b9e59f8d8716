//! A way to a broker that can be cut, for good or at a chosen message: a relay on loopback, through which
//! clients and nodes connect.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use processes::Cluster;

use super::support::LEASE;

/// So many bytes of what came before are remembered: a mark may come in two parts.
const REMEMBERED: usize = 64;

/// A way to a broker.
pub(crate) struct Way {
    /// Takes connections.
    listener: TcpListener,
    /// Where they go.
    broker: u16,
    /// What there is of them; none while it is cut.
    streams: Mutex<Option<Vec<TcpStream>>>,
    /// Where it is to break, if anywhere.
    trap: Mutex<Option<Trap>>,
}

/// Where a way is to break.
struct Trap {
    /// Before these bytes, whoever says them,
    mark: &'static str,
    /// when they have been said so often; what comes from one side is looked at on its own.
    left: usize,
}

impl Way {
    /// One that is open to the broker at this port while `during` goes on.
    pub(crate) fn with(broker: u16, during: impl FnOnce(&Self)) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (streams, trap) = (Mutex::new(Some(Vec::new())), Mutex::new(None));
        let way = &Self { listener, broker, streams, trap };
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Ok((near, _from)) = way.listener.accept() {
                    if ended.load(Ordering::Acquire) {
                        return;
                    }
                    if let Some([(a, b), (c, d)]) = way.joined(near) {
                        scope.spawn(move || way.copy(a, b));
                        scope.spawn(move || way.copy(c, d));
                    }
                }
            });
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| during(way)));
            ended.store(true, Ordering::Release);
            way.cut();
            drop(TcpStream::connect(way.listener.local_addr().unwrap()));
            if let Err(panic) = result {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// The address of the broker, by this way.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.listener.local_addr().unwrap().port())
    }

    /// The cluster, by this way.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new(self.url()).lease(LEASE).grace(Duration::from_secs(1))
    }

    /// Lets nothing through.
    pub(crate) fn cut(&self) {
        end(lock(&self.streams).take());
    }

    /// Lets new connections through.
    pub(crate) fn mend(&self) {
        lock(&self.streams).get_or_insert_default();
    }

    /// Breaks all connections just before this is said for the `nth` time from now on, by whichever side. New
    /// ones are let through at once.
    pub(crate) fn break_before(&self, mark: &'static str, nth: usize) {
        assert!(mark.len() <= REMEMBERED && nth > 0);
        *lock(&self.trap) = Some(Trap { mark, left: nth });
    }

    /// Whether it has broken where it was to.
    pub(crate) fn has_broken(&self) -> bool {
        lock(&self.trap).is_none()
    }

    /// Both directions of a connection that has come; none while this is cut.
    fn joined(&self, near: TcpStream) -> Option<[(TcpStream, TcpStream); 2]> {
        let mut streams = lock(&self.streams);
        let streams = streams.as_mut()?;
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, self.broker)).ok()?;
        let clone = |stream: &TcpStream| stream.try_clone().unwrap();
        streams.extend([clone(&near), clone(&far)]);
        Some([(clone(&near), clone(&far)), (far, near)])
    }

    /// Copies until one side ends, which ends the other one.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let (mut part, mut before) = (vec![0; 64 << 10], Vec::new());
        loop {
            let length = match from.read(&mut part) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => break,
                Ok(length) => length,
            };
            let passes = self.passes(&mut before, &part[..length]);
            if to.write_all(&part[..passes]).is_err() || passes < length {
                break;
            }
        }
        end(Some(vec![from, to]));
    }

    /// How many of these bytes pass, after those; with the others all connections end.
    fn passes(&self, before: &mut Vec<u8>, part: &[u8]) -> usize {
        let old = before.len();
        before.extend_from_slice(part);
        let mut trap = lock(&self.trap);
        let mut place = None;
        if let Some(Trap { mark, left }) = &mut *trap {
            let places = before.windows(mark.len()).enumerate();
            let places =
                places.filter(|(at, found)| *found == mark.as_bytes() && at + found.len() > old);
            let places: Vec<_> = places.map(|(at, _found)| at).collect();
            place = places.get(*left - 1).copied();
            *left -= places.len().min(*left - 1);
        }
        if let Some(place) = place {
            *trap = None;
            drop(trap);
            end(lock(&self.streams).as_mut().map(std::mem::take));
            return place.saturating_sub(old);
        }
        before.drain(..before.len().saturating_sub(REMEMBERED));
        part.len()
    }
}

/// Ends connections.
fn end(streams: Option<Vec<TcpStream>>) {
    for stream in streams.into_iter().flatten() {
        let (Ok(()) | Err(_)) = stream.shutdown(Shutdown::Both);
    }
}

/// What a test has; one that has failed says so elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
