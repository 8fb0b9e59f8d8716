//! A web site of a few linked pages, one request in seven of which is refused at first.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Requests at once that a polite client does not exceed.
pub(crate) const POLITE: usize = 8;

/// How long each request is held back, so that those that a client has at once are seen at once.
const HOLD: Duration = Duration::from_millis(50);

/// A site that is served until it is dropped.
pub(crate) struct Site {
    /// What its threads share.
    shared: Arc<Shared>,
    /// The thread that accepts.
    acceptor: Option<JoinHandle<()>>,
    /// Where it listens.
    port: u16,
}

/// What the threads of a site share.
struct Shared {
    /// How many pages there are.
    pages: usize,
    /// Pages that have been refused once.
    refused: Mutex<HashSet<usize>>,
    /// Requests that are being held back.
    now: Mutex<usize>,
    /// Told when there are more of them.
    more: Condvar,
    /// Most requests that were being held back at once.
    most: AtomicUsize,
    /// Set when the site is to end.
    end: AtomicBool,
}

impl Site {
    /// Serves this many pages on the loopback interface.
    pub(crate) fn serve(pages: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            pages,
            refused: Mutex::default(),
            now: Mutex::new(0),
            more: Condvar::new(),
            most: AtomicUsize::new(0),
            end: AtomicBool::new(false),
        });
        let accept = {
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        };
        Self { shared, acceptor: Some(thread::spawn(accept)), port }
    }

    /// The address of its first page.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Most requests that were there at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which looks at the flag.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

/// Answers each connection on a thread of its own, and waits for them all.
fn accept(listener: &TcpListener, shared: &Shared) {
    thread::scope(|scope| {
        for stream in listener.incoming().map_while(Result::ok) {
            if shared.end.load(Ordering::SeqCst) {
                return;
            }
            scope.spawn(move || {
                shared.hold_back();
                // A client that goes away is its own problem.
                answer(&stream, shared).ok();
            });
        }
    });
}

/// Answers one request.
fn answer(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let page: usize = path.trim_start_matches('/').parse().unwrap_or_default();
    let (status, body) = if page.is_multiple_of(7) && shared.refuse(page) {
        ("503 Busy", String::new())
    } else {
        ("200 OK", shared.body(page))
    };
    let length = body.len();
    let mut stream = stream;
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes())
}

impl Shared {
    /// Holds a request back before it is answered, for as long as the client is polite and for
    /// [`HOLD`] at most: whoever is counted here has not been answered, however slow this thread is.
    fn hold_back(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += 1;
        self.most.fetch_max(*now, Ordering::SeqCst);
        self.more.notify_all();
        let held = self.more.wait_timeout_while(now, HOLD, |now| *now <= POLITE);
        let (mut now, _) = held.unwrap_or_else(PoisonError::into_inner);
        *now -= 1;
    }

    /// Whether the page is to be refused: the first time only.
    fn refuse(&self, page: usize) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(page)
    }

    /// A page with links to others; page 0 is "/" and is never linked to, so that each page has one
    /// path.
    fn body(&self, page: usize) -> String {
        let linked = [page * 2 + 1, page * 2 + 2, page + 1].map(|page| page % self.pages);
        let links = linked.iter().filter(|page| **page > 0);
        let links: Vec<String> =
            links.map(|page| format!("<a href=\"/{page}\">{page}</a>")).collect();
        format!("<html>page {page} {}</html>", links.join(" and "))
    }
}
