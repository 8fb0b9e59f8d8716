//! Requests as they come from the wire: HTTP/1.0 and 1.1 (RFC 9112), bounded in size.

use common::site::ATTEMPT_HEADER;
use httparse::{EMPTY_HEADER, Error, Header, Status as Parsed};
use thiserror::Error;

use crate::response::{Answer, Persistence, Status};

/// How many bytes a request may have, its body included.
pub(crate) const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// A complete request; it borrows from the bytes it was read from.
#[derive(Debug)]
pub(crate) struct Request<'bytes> {
    /// `GET`, for example; methods are case-sensitive.
    pub(crate) method: &'bytes str,
    /// What the request is for, without the query.
    pub(crate) path: &'bytes str,
    /// The virtual host, without the port. Only HTTP/1.0 has requests without one.
    pub(crate) host: Option<&'bytes str>,
    /// How often the client says it has asked for this before.
    pub(crate) attempt: u32,
    /// What the client wants to happen to the connection.
    pub(crate) persistence: Persistence,
    /// How many bytes it took, its body included.
    pub(crate) length: usize,
}

/// Why the bytes of a connection are not a request. The connection ends with it: where the next
/// request would start is not known, or the peer does not follow the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unreadable {
    /// Not HTTP, or against its rules.
    #[error("read the request: {0}")]
    Malformed(&'static str),
    /// Header too long, or too many.
    #[error(
        "read the request: its header is over {MAX_REQUEST_BYTES} bytes or {MAX_HEADERS} fields"
    )]
    HeaderTooLarge,
    /// Body too long.
    #[error("read the request: with its body it is over {MAX_REQUEST_BYTES} bytes")]
    BodyTooLarge,
    /// The body comes in chunks, for example.
    #[error("read the request: transfer codings are not supported")]
    TransferCoding,
    /// The client waits for a go-ahead.
    #[error("read the request: expectations are not supported")]
    Expectation,
    /// Not HTTP/1.0 or 1.1.
    #[error("read the request: only HTTP/1.0 and 1.1 are supported")]
    Version,
}

impl Unreadable {
    /// What the peer is told.
    pub(crate) fn answer(self) -> Answer {
        let status = match self {
            Self::Malformed(_) => Status::BAD_REQUEST,
            Self::HeaderTooLarge => Status::HEADER_TOO_LARGE,
            Self::BodyTooLarge => Status::CONTENT_TOO_LARGE,
            Self::TransferCoding => Status::NOT_IMPLEMENTED,
            Self::Expectation => Status::EXPECTATION_FAILED,
            Self::Version => Status::VERSION_NOT_SUPPORTED,
        };
        Answer::refusal(status, format!("failed to {self}"))
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        match error {
            Error::TooManyHeaders => Self::HeaderTooLarge,
            Error::Version => Self::Version,
            Error::HeaderName | Error::HeaderValue => {
                Self::Malformed("a header field is malformed")
            }
            _ => Self::Malformed("it is not HTTP"),
        }
    }
}

/// The first request in `bytes`; none if more bytes are needed.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Request<'_>>, Unreadable> {
    let mut storage = [EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut storage);
    let Parsed::Complete(head_length) = head.parse(bytes)? else {
        let full = bytes.len() >= MAX_REQUEST_BYTES;
        return if full { Err(Unreadable::HeaderTooLarge) } else { Ok(None) };
    };
    let fields = Fields::read(head.headers)?;
    let length = fields
        .content_length
        .unwrap_or(0)
        .checked_add(head_length)
        .filter(|&length| length <= MAX_REQUEST_BYTES)
        .ok_or(Unreadable::BodyTooLarge)?;
    let is_http_11 = head.version == Some(1);
    if is_http_11 && fields.host.is_none() {
        return Err(Unreadable::Malformed("it names no host"));
    }
    if bytes.len() < length {
        return Ok(None);
    }
    // A complete head has both.
    let method = head.method.ok_or(Unreadable::Malformed("it has no method"))?;
    let target = head.path.ok_or(Unreadable::Malformed("it has no target"))?;
    let (authority, path) = split_target(target);
    Ok(Some(Request {
        method,
        path,
        host: authority.or(fields.host).map(without_port),
        attempt: fields.attempt,
        persistence: fields.persistence.unwrap_or(if is_http_11 {
            Persistence::KeepAlive
        } else {
            Persistence::Close
        }),
        length,
    }))
}

/// The header fields that matter here.
#[derive(Debug, Default)]
struct Fields<'bytes> {
    /// `Host`
    host: Option<&'bytes str>,
    /// `X-Attempt`
    attempt: u32,
    /// `Content-Length`
    content_length: Option<usize>,
    /// `Connection`, if it says anything about persistence.
    persistence: Option<Persistence>,
}

impl<'bytes> Fields<'bytes> {
    /// Picks them from all fields.
    fn read(headers: &[Header<'bytes>]) -> Result<Self, Unreadable> {
        let mut fields = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("transfer-encoding") {
                return Err(Unreadable::TransferCoding);
            } else if is("expect") {
                return Err(Unreadable::Expectation);
            } else if is("host") {
                // RFC 9112, section 3.2: a second one is an error.
                if fields.host.replace(text(header)?).is_some() {
                    return Err(Unreadable::Malformed("it names two hosts"));
                }
            } else if is(ATTEMPT_HEADER) {
                fields.attempt = number(header)?;
            } else if is("content-length") {
                // Two lengths are how one request is smuggled into another.
                if fields.content_length.replace(number(header)?).is_some() {
                    return Err(Unreadable::Malformed("it has two lengths"));
                }
            } else if is("connection") {
                fields.connection(text(header)?);
            }
        }
        Ok(fields)
    }

    /// Reads a `Connection` field: a list of options, where `close` wins.
    fn connection(&mut self, options: &str) {
        for option in options.split(',').map(str::trim) {
            if option.eq_ignore_ascii_case("close") {
                self.persistence = Some(Persistence::Close);
            } else if option.eq_ignore_ascii_case("keep-alive") {
                self.persistence = self.persistence.or(Some(Persistence::KeepAlive));
            }
        }
    }
}

/// The value of a field as text.
fn text<'bytes>(header: &Header<'bytes>) -> Result<&'bytes str, Unreadable> {
    let text = std::str::from_utf8(header.value);
    text.map(str::trim).map_err(|_| Unreadable::Malformed("a header field is not text"))
}

/// The value of a field as a number, digits only.
fn number<T: std::str::FromStr>(header: &Header<'_>) -> Result<T, Unreadable> {
    let text = text(header)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or(Unreadable::Malformed("a number in its header is not one, or too large"))
}

/// The authority and the path of a target, `/p/1` or (RFC 9112, section 3.2.2) `http://h1.test/p/1`.
fn split_target(target: &str) -> (Option<&str>, &str) {
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let (authority, path) = match scheme {
        None => (None, target),
        Some(scheme) => {
            let rest = &target[scheme.len()..];
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), if path.is_empty() { "/" } else { path })
        }
    };
    (authority, path.split_once('?').map_or(path, |(path, _)| path))
}

/// `h1.test` of `h1.test:8080`.
fn without_port(authority: &str) -> &str {
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::{MAX_REQUEST_BYTES, Persistence, Unreadable, parse};

    /// The error of bytes that are not a request.
    fn error(bytes: &str) -> Unreadable {
        parse(bytes.as_bytes()).unwrap_err()
    }

    #[test]
    fn reads_what_matters() {
        let bytes = b"GET /p/1?q#f HTTP/1.1\r\nHost: h1.test:80\r\nx-ATTEMPT: 2\r\n\r\nGET ";
        let request = parse(bytes).unwrap().unwrap();
        assert_eq!((request.method, request.path), ("GET", "/p/1"));
        assert_eq!((request.host, request.attempt), (Some("h1.test"), 2));
        assert_eq!(request.persistence, Persistence::KeepAlive);
        assert_eq!(request.length, bytes.len() - 4);
    }

    #[test]
    fn every_prefix_needs_more() {
        let bytes = b"POST /reset HTTP/1.1\r\nHost: h1.test\r\nContent-Length: 5\r\n\r\nhello";
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).unwrap().is_none(), "{end} bytes");
        }
        assert_eq!(parse(bytes).unwrap().unwrap().length, bytes.len());
    }

    #[test]
    fn the_target_can_name_the_host() {
        let read = |target: &str| {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
            let request = parse(bytes.as_bytes()).unwrap().unwrap();
            (request.host.unwrap().to_owned(), request.path.to_owned())
        };
        assert_eq!(read("HTTP://h1.test:1/p/1"), ("h1.test".into(), "/p/1".into()));
        assert_eq!(read("http://h1.test"), ("h1.test".into(), "/".into()));
        assert_eq!(read("/p/1"), ("other".into(), "/p/1".into()));
    }

    #[test]
    fn persistence_follows_version_and_field() {
        let read = |version: &str, field: &str| {
            let bytes = format!("GET / HTTP/{version}\r\nHost: h\r\n{field}\r\n");
            parse(bytes.as_bytes()).unwrap().unwrap().persistence
        };
        assert_eq!(read("1.1", ""), Persistence::KeepAlive);
        assert_eq!(read("1.1", "Connection: Close\r\n"), Persistence::Close);
        assert_eq!(read("1.1", "Connection: keep-alive, close\r\n"), Persistence::Close);
        assert_eq!(read("1.1", "Connection: upgrade\r\n"), Persistence::KeepAlive);
        assert_eq!(read("1.0", ""), Persistence::Close);
        assert_eq!(read("1.0", "Connection: keep-alive\r\n"), Persistence::KeepAlive);
    }

    #[test]
    fn refuses_what_breaks_the_rules() {
        let with = |field: &str| error(&format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n"));
        assert!(matches!(error("\0\0\0"), Unreadable::Malformed(_)));
        assert!(matches!(error("GET / HTTP/1.1\r\n\r\n"), Unreadable::Malformed(_)));
        assert!(matches!(with("Host: h"), Unreadable::Malformed(_)));
        assert!(matches!(with("X-Attempt: +1"), Unreadable::Malformed(_)));
        assert!(matches!(with("X-Attempt: "), Unreadable::Malformed(_)));
        assert!(matches!(with("Content-Length: 1\r\nContent-Length: 1"), Unreadable::Malformed(_)));
        assert!(matches!(with("Content-Length: 99999999999999999999"), Unreadable::Malformed(_)));
        assert_eq!(with(&format!("Content-Length: {}", usize::MAX)), Unreadable::BodyTooLarge);
        assert_eq!(with("Content-Length: 8192"), Unreadable::BodyTooLarge);
        assert_eq!(with("Transfer-Encoding: chunked"), Unreadable::TransferCoding);
        assert_eq!(with("Expect: 100-continue"), Unreadable::Expectation);
        assert_eq!(with(&"A: b\r\n".repeat(64)), Unreadable::HeaderTooLarge);
        assert_eq!(error("GET / HTTP/2.0\r\n\r\n"), Unreadable::Version);
        let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_REQUEST_BYTES));
        assert_eq!(error(&endless[..MAX_REQUEST_BYTES]), Unreadable::HeaderTooLarge);
        assert!(parse(&endless.as_bytes()[..MAX_REQUEST_BYTES - 1]).unwrap().is_none());
    }
}
