//! Every status that a well-formed request can get.

use std::time::Instant;

use common::site::{PageStatus, Site, SiteStats};

use crate::{
    client::{Client, reset, stats},
    site::{quick, serve},
};

/// A page that answers `status` to its first request.
fn page_with(site: &Site, status: PageStatus) -> u32 {
    (0..site.pages()).find(|&page| site.status(page, 0) == status).unwrap()
}

#[test]
fn a_page_is_served() {
    let (site, running) = serve(quick());
    let page = page_with(&site, PageStatus::Ok);
    let answer = Client::connect(running.addr()).get(&site, page, 0);
    assert_eq!((answer.status, &answer.body), (200, &site.body(page)));
    assert!(answer.has("Content-Type: text/html; charset=utf-8"));
}

#[test]
fn an_unavailable_page_is_served_in_the_end() {
    let (site, running) = serve(quick());
    let page = page_with(&site, PageStatus::Unavailable);
    let mut client = Client::connect(running.addr());
    assert_eq!(client.get(&site, page, 0).status, 503);
    assert_eq!(client.get(&site, page, 3).body, site.body(page));
}

/// Only the lower bound: a busy machine can always be later.
#[test]
fn no_answer_comes_before_its_latency() {
    let (site, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    for page in 0..100 {
        let start = Instant::now();
        client.get(&site, page, 3);
        assert!(start.elapsed() >= site.latency(page, 3), "page {page}");
    }
}

#[test]
fn an_unknown_page_is_404() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    for path in ["/p/200", "/p/4294967295", "/p/4294967296", "/p/01", "/p/", "/", "/statsx", "*"] {
        client.request("GET", path, "h0.test", 0);
        assert_eq!(client.answer().status, 404, "{path}");
    }
}

#[test]
fn the_wrong_host_is_421() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    for host in ["h0.test", "h5.test", "h1.test.", "localhost", "", "h01.test"] {
        client.request("GET", "/p/1", host, 3);
        assert_eq!(client.answer().status, 421, "{host}");
    }
    for host in ["h1.test", "H1.TEST", "h1.test:8080"] {
        client.request("GET", "/p/1", host, 3);
        assert_eq!(client.answer().status, 200, "{host}");
    }
}

#[test]
fn another_method_is_405() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    let wrong = [
        ("POST", "/p/1", "Allow: GET"),
        ("POST", "/stats", "Allow: GET"),
        ("GET", "/reset", "Allow: POST"),
        ("HEAD", "/p/1", "Allow: GET, POST"),
        ("get", "/p/1", "Allow: GET, POST"),
    ];
    for (method, path, allow) in wrong {
        client.request(method, path, "h1.test", 0);
        let answer = client.answer();
        assert!(answer.status == 405 && answer.has(allow), "{method} {path}: {answer:?}");
        assert!(answer.body.is_empty());
    }
    client.request("POST", "/p/200", "h1.test", 0);
    assert_eq!(client.answer().status, 404);
}

#[test]
fn everything_is_counted_until_reset() {
    let (site, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    client.get(&site, page_with(&site, PageStatus::Ok), 0);
    client.get(&site, page_with(&site, PageStatus::Ok), 0);
    client.get(&site, page_with(&site, PageStatus::Unavailable), 0);
    client.request("GET", "/p/200", "h0.test", 0);
    client.answer();
    let counted = SiteStats {
        requests: 4,
        served: 2,
        errors_503: 1,
        refused_429: 0,
        peak_in_flight: 1,
        peak_per_host: 1,
    };
    assert_eq!(stats(running.addr()), counted);
    reset(running.addr());
    assert_eq!(stats(running.addr()), SiteStats::default());
}
