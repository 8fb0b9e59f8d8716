//! Where a request starts and ends, and what becomes of the connection.

use crate::{
    client::Client,
    site::{quick, serve},
};

/// A request that is answered at once, with this line in its header.
fn request(version: &str, field: &str) -> Vec<u8> {
    format!("GET /stats HTTP/{version}\r\nHost: h\r\n{field}\r\n").into_bytes()
}

#[test]
fn a_connection_is_kept() {
    let (site, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    for page in 0..50 {
        let answer = client.get(&site, page, 3);
        assert_eq!((answer.status, &answer.body), (200, &site.body(page)));
        assert!(answer.has("Connection: keep-alive"));
    }
    client.send(&request("1.0", "Connection: keep-alive\r\n"));
    assert!(client.answer().has("Connection: keep-alive"));
    client.send(&request("1.1", ""));
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_connection_is_closed_when_asked() {
    let (_, running) = serve(quick());
    for bytes in [request("1.1", "Connection: close\r\n"), request("1.0", "")] {
        let mut client = Client::connect(running.addr());
        client.send(&bytes);
        // What follows is not answered.
        client.send(&bytes);
        let answer = client.answer();
        assert!(answer.status == 200 && answer.has("Connection: close"));
        assert!(client.is_at_end());
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (site, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    for page in 0..100 {
        client.ask(&site, page, 3);
        client.request("GET", "/nothing", "h", 0);
    }
    for page in 0..100 {
        assert_eq!(client.answer().body, site.body(page));
        assert_eq!(client.answer().status, 404);
    }
}

/// More immediate answers than one turn gives to one connection, all in one write.
#[test]
fn many_pipelined_requests_in_one_piece() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    let one = request("1.1", "");
    client.send(&one.repeat(8_000 / one.len()));
    for _ in 0..8_000 / one.len() {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_request_in_single_bytes() {
    let (site, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    client.stream().set_nodelay(true).unwrap();
    for byte in b"GET /p/1 HTTP/1.1\r\nHost: h1.test\r\nX-Attempt: 3\r\n\r\n" {
        client.send(&[*byte]);
    }
    assert_eq!(client.answer().body, site.body(1));
}

#[test]
fn a_body_is_skipped() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    client.send(b"POST /reset HTTP/1.1\r\nHost: h\r\nContent-Length: 14\r\n\r\nGET /p/1 HTTP/");
    client.send(&request("1.1", ""));
    assert_eq!(client.answer().status, 204);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn what_is_not_a_request_is_refused_and_the_end() {
    let (_, running) = serve(quick());
    let cases: [(&[u8], u16); 8] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /p/1 HTTP/1.1\r\n\r\n", 400),
        (b"GET /p/1 HTTP/1.1\r\nHost: h1.test\r\nX-Attempt: one\r\n\r\n", 400),
        (b"POST /reset HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /reset HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", 417),
        (b"POST /reset HTTP/1.1\r\nHost: h\r\nContent-Length: 8192\r\n\r\n", 413),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
    ];
    for (bytes, status) in cases {
        let mut client = Client::connect(running.addr());
        client.send(bytes);
        let answer = client.answer();
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{text}");
        assert!(answer.has("Connection: close") && text.starts_with("failed to read the request"));
        assert!(client.is_at_end());
    }
}

/// The peer is still sending when it is refused: the answer must reach it nevertheless.
#[test]
fn an_oversized_header_is_refused() {
    let (_, running) = serve(quick());
    for line in [format!("A: {}\r\n", "b".repeat(200_000)), "A: b\r\n".repeat(30_000)] {
        let mut client = Client::connect(running.addr());
        client.send(b"GET /p/1 HTTP/1.1\r\nHost: h1.test\r\n");
        client.send(line.as_bytes());
        client.send(b"\r\n");
        assert_eq!(client.answer().status, 431);
        assert!(client.is_at_end());
    }
}

/// A header of just the allowed size is served.
#[test]
fn the_largest_header_is_served() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    let filler = 8 * 1024 - request("1.1", "A: \r\n").len();
    client.send(&request("1.1", &format!("A: {}\r\n", "b".repeat(filler))));
    assert_eq!(client.answer().status, 200);
    client.send(&request("1.1", &format!("A: {}\r\n", "b".repeat(filler + 1))));
    assert_eq!(client.answer().status, 431);
}
