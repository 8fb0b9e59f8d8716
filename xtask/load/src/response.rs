//! What the server answers, and how it is written.

use std::io::Write as _;

/// What happens to the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It stays open for the next request.
    KeepAlive,
    /// It ends.
    Close,
}

/// A status code with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The three digits.
    pub(crate) code: u16,
    /// What people read.
    reason: &'static str,
}

impl Status {
    /// The page, or the numbers.
    pub(crate) const OK: Self = Self::new(200, "OK");
    /// Done, and nothing to say.
    pub(crate) const NO_CONTENT: Self = Self::new(204, "No Content");
    /// Not a request.
    pub(crate) const BAD_REQUEST: Self = Self::new(400, "Bad Request");
    /// No such page.
    pub(crate) const NOT_FOUND: Self = Self::new(404, "Not Found");
    /// Not with this method.
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::new(405, "Method Not Allowed");
    /// Its body is too long.
    pub(crate) const CONTENT_TOO_LARGE: Self = Self::new(413, "Content Too Large");
    /// It expects what is not done here.
    pub(crate) const EXPECTATION_FAILED: Self = Self::new(417, "Expectation Failed");
    /// Another virtual host serves this page.
    pub(crate) const MISDIRECTED: Self = Self::new(421, "Misdirected Request");
    /// The virtual host has too many requests in flight.
    pub(crate) const TOO_MANY_REQUESTS: Self = Self::new(429, "Too Many Requests");
    /// Its header is too long.
    pub(crate) const HEADER_TOO_LARGE: Self = Self::new(431, "Request Header Fields Too Large");
    /// Its body comes in a way that is not supported.
    pub(crate) const NOT_IMPLEMENTED: Self = Self::new(501, "Not Implemented");
    /// Try again.
    pub(crate) const UNAVAILABLE: Self = Self::new(503, "Service Unavailable");
    /// Not HTTP/1.0 or 1.1.
    pub(crate) const VERSION_NOT_SUPPORTED: Self = Self::new(505, "HTTP Version Not Supported");

    /// A status of RFC 9110, section 15, or RFC 6585.
    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// What follows the header.
#[derive(Debug)]
pub(crate) enum Body {
    /// A page.
    Html(Vec<u8>),
    /// Numbers for a program.
    Json(Vec<u8>),
    /// A line that says what is wrong.
    Text(String),
    /// Nothing, but the methods that this path does allow.
    Allow(&'static str),
    /// Nothing.
    Empty,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What came of the request.
    pub(crate) status: Status,
    /// What is sent with it.
    pub(crate) body: Body,
}

impl Answer {
    /// A refusal that says why in one line.
    pub(crate) fn refusal(status: Status, why: impl Into<String>) -> Self {
        Self { status, body: Body::Text(why.into() + "\n") }
    }

    /// The bytes of the answer (RFC 9112).
    pub(crate) fn render(&self, persistence: Persistence) -> Vec<u8> {
        let (kind, content): (_, &[u8]) = match &self.body {
            Body::Html(html) => (Some("text/html; charset=utf-8"), html),
            Body::Json(json) => (Some("application/json"), json),
            Body::Text(text) => (Some("text/plain; charset=utf-8"), text.as_bytes()),
            Body::Allow(_) | Body::Empty => (None, &[]),
        };
        let mut bytes = Vec::with_capacity(256 + content.len());
        self.write_head(&mut bytes, persistence, kind, content.len())
            .expect("writing to memory does not fail");
        bytes.extend_from_slice(content);
        bytes
    }

    /// Writes everything up to the empty line.
    fn write_head(
        &self,
        bytes: &mut Vec<u8>,
        persistence: Persistence,
        kind: Option<&str>,
        length: usize,
    ) -> std::io::Result<()> {
        write!(bytes, "HTTP/1.1 {} {}\r\n", self.status.code, self.status.reason)?;
        if let Body::Allow(methods) = self.body {
            write!(bytes, "Allow: {methods}\r\n")?;
        }
        if let Some(kind) = kind {
            write!(bytes, "Content-Type: {kind}\r\n")?;
        }
        // RFC 9110, section 8.6: no length with 204.
        if self.status != Status::NO_CONTENT {
            write!(bytes, "Content-Length: {length}\r\n")?;
        }
        let connection = match persistence {
            Persistence::KeepAlive => "keep-alive",
            Persistence::Close => "close",
        };
        write!(bytes, "Connection: {connection}\r\n\r\n")
    }
}
