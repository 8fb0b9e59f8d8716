//! A web server for one crawl, strict about what it is asked.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use common::site::{PageStatus, Site, SiteStats};

use super::process::PATIENCE;

/// The longest request that is read, in bytes.
const MAX_REQUEST_BYTES: usize = 4_096;

/// A site that is being served; dropped, it has ended with all its threads.
pub(super) struct Served {
    /// Where.
    pub(super) address: SocketAddr,
    /// What was served.
    shared: Arc<Shared>,
    /// Accepts connections.
    acceptor: Option<JoinHandle<()>>,
}

/// What the threads of a server share.
struct Shared {
    /// What is served.
    site: Site,
    /// Most requests of one virtual host at the same time.
    per_host: u64,
    /// Whether the server is to end.
    ends: AtomicBool,
    /// What happened, with the requests in flight per virtual host.
    stats: Mutex<(SiteStats, Vec<u64>)>,
}

impl Served {
    /// Serves `site` on the loopback interface, a thread for each connection.
    pub(super) fn start(site: Site, per_host: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stats = Mutex::new((SiteStats::default(), vec![0; site.hosts() as usize]));
        let shared = Arc::new(Shared { site, per_host, ends: AtomicBool::new(false), stats });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// What happened so far.
    pub(super) fn stats(&self) -> SiteStats {
        self.shared.stats.lock().unwrap().0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        TcpStream::connect(self.address).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

/// Answers each connection on a thread of its own, and waits for all of them.
fn accept(listener: &TcpListener, shared: &Shared) {
    thread::scope(|scope| {
        for stream in listener.incoming() {
            if shared.ends.load(Ordering::SeqCst) {
                break;
            }
            // A client that is gone is not the server's concern: the digest will tell.
            scope.spawn(move || stream.and_then(|stream| answer(stream, shared)).ok());
        }
    });
}

/// Answers one request; the client may see the end of the answer only when it is counted as done.
fn answer(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = read_head(&mut stream)?;
    let Some((page, attempt)) = parse(&head, &shared.site) else {
        return write(&mut stream, "400 Bad Request", b"");
    };
    let host = shared.site.host_of(page) as usize;
    if !shared.begin(host) {
        return write(&mut stream, "429 Too Many Requests", b"");
    }
    wait(&shared.site, page, attempt);
    let status = shared.site.status(page, attempt);
    let written = match status {
        PageStatus::Ok => write(&mut stream, "200 OK", &shared.site.body(page)),
        PageStatus::Unavailable => write(&mut stream, "503 Service Unavailable", b""),
    };
    shared.end(host, status);
    written
}

/// Lets the latency of an answer go by.
#[expect(clippy::disallowed_methods, reason = "a slow answer is what is simulated")]
fn wait(site: &Site, page: u32, attempt: u32) {
    thread::sleep(site.latency(page, attempt));
}

impl Shared {
    /// Counts a request; whether its virtual host may have one more in flight.
    fn begin(&self, host: usize) -> bool {
        let (stats, in_flight) = &mut *self.stats.lock().unwrap();
        stats.requests += 1;
        if in_flight[host] == self.per_host {
            stats.refused_429 += 1;
            return false;
        }
        in_flight[host] += 1;
        stats.peak_per_host = stats.peak_per_host.max(in_flight[host]);
        stats.peak_in_flight = stats.peak_in_flight.max(in_flight.iter().sum());
        true
    }

    /// Counts an answer.
    fn end(&self, host: usize, answered: PageStatus) {
        let (stats, in_flight) = &mut *self.stats.lock().unwrap();
        in_flight[host] -= 1;
        match answered {
            PageStatus::Ok => stats.served += 1,
            PageStatus::Unavailable => stats.errors_503 += 1,
        }
    }
}

/// Reads up to the empty line.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; MAX_REQUEST_BYTES];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 || head.len() + count > MAX_REQUEST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    Ok(head)
}

/// Page and attempt of a request that is exactly as it should be.
fn parse(head: &[u8], site: &Site) -> Option<(u32, u32)> {
    let mut headers = [httparse::EMPTY_HEADER; 8];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(head).ok().filter(httparse::Status::is_complete)?;
    let header = |name: &str| {
        let header =
            request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let page = Site::page_of(request.path?).filter(|page| site.contains(*page))?;
    let is_right = request.method == Some("GET")
        && header("host") == Some(Site::host_name(site.host_of(page)).as_str())
        && header("connection") == Some("close");
    let attempt = header(common::site::ATTEMPT_HEADER)?.parse().ok()?;
    is_right.then_some((page, attempt))
}

/// Writes an answer.
fn write(stream: &mut TcpStream, status: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())
}
