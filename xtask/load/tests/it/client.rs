//! A tiny blocking HTTP client that trusts the server with nothing.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use common::site::{Site, SiteStats};

/// How long any answer may take before the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    /// The socket, with what was read ahead.
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The three digits.
    pub(crate) status: u16,
    /// The lines of the header after the first.
    pub(crate) header: Vec<String>,
    /// What followed.
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// A new connection.
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends a request without a body.
    pub(crate) fn request(&mut self, method: &str, path: &str, host: &str, attempt: u32) {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Attempt: {attempt}\r\n\r\n");
        self.send(request.as_bytes());
    }

    /// Sends a request for a page of `site`.
    pub(crate) fn ask(&mut self, site: &Site, page: u32, attempt: u32) {
        let host = Site::host_name(site.host_of(page));
        self.request("GET", &Site::path(page), &host, attempt);
    }

    /// Asks for a page and waits for it.
    pub(crate) fn get(&mut self, site: &Site, page: u32, attempt: u32) -> Answer {
        self.ask(site, page, attempt);
        self.answer()
    }

    /// No more requests on this connection.
    pub(crate) fn finish_sending(&self) {
        self.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    /// The next answer, or why there is none.
    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("no status line: {first:?}"))
        })?;
        let mut header = Vec::new();
        loop {
            match self.line()? {
                line if line.is_empty() => break,
                line => header.push(line),
            }
        }
        let length = header.iter().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |digits| digits.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, header, body })
    }

    /// Whether the server has ended the connection with nothing more to read.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.stream.fill_buf().unwrap().is_empty()
    }

    /// The next line without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Answer {
    /// Whether the header has this line.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.header.iter().any(|has| has == line)
    }
}

/// What the server counted.
pub(crate) fn stats(addr: SocketAddr) -> SiteStats {
    let mut client = Client::connect(addr);
    client.request("GET", "/stats", "any", 0);
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// Has the server count anew.
pub(crate) fn reset(addr: SocketAddr) {
    let mut client = Client::connect(addr);
    client.request("POST", "/reset", "any", 0);
    assert_eq!(client.answer().status, 204);
}

/// Asks until `condition` holds; each question is a round trip, so this does not spin.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited in vain: {what}");
    }
}
