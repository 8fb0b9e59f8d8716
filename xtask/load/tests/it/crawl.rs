//! A whole crawl, as a workload does it, by threads that share a frontier.

use std::{
    collections::{BTreeSet, HashSet},
    net::SocketAddr,
    sync::Mutex,
    thread,
};

use common::site::{Site, SiteSpec};

use crate::{
    client::{Client, stats},
    site::{quick, serve},
};

/// The links of a page, by text search.
fn links(html: &[u8]) -> Vec<u32> {
    let html = std::str::from_utf8(html).unwrap();
    let rest = html.split("href=\"").skip(1);
    rest.map(|rest| Site::page_of(rest.split('"').next().unwrap()).unwrap()).collect()
}

/// Fetches a page, trying again as long as it is unavailable.
fn fetch(client: &mut Client, site: &Site, page: u32) -> Vec<u8> {
    for attempt in 0..4 {
        let answer = client.get(site, page, attempt);
        match answer.status {
            200 => return answer.body,
            503 => {}
            other => panic!("page {page} answered {other}"),
        }
    }
    panic!("page {page} is still unavailable at attempt 3")
}

/// Crawls level by level with `workers` threads, each with a connection of its own.
fn crawl(site: &Site, addr: SocketAddr, workers: usize) -> BTreeSet<u32> {
    let mut seen = BTreeSet::from([0]);
    let mut level = vec![0];
    while !level.is_empty() {
        let found = Mutex::new(HashSet::new());
        thread::scope(|scope| {
            let found = &found;
            for part in level.chunks(level.len().div_ceil(workers)) {
                scope.spawn(move || {
                    let mut client = Client::connect(addr);
                    for &page in part {
                        let body = fetch(&mut client, site, page);
                        assert_eq!(body, site.body(page), "page {page}");
                        found.lock().unwrap().extend(links(&body));
                    }
                });
            }
        });
        level = found.into_inner().unwrap().into_iter().filter(|&page| seen.insert(page)).collect();
    }
    seen
}

#[test]
fn a_crawl_reaches_all_pages() {
    let (site, running) = serve(SiteSpec { pages: 1_000, ..quick() });
    // Eight workers cannot be impolite to anyone.
    let seen = crawl(&site, running.addr(), 8);
    assert_eq!(seen, (0..1_000).collect());
    let counted = stats(running.addr());
    assert_eq!((counted.served, counted.refused_429), (1_000, 0));
    assert_eq!(counted.requests, counted.served + counted.errors_503);
    assert!(counted.errors_503 > 100 && counted.peak_in_flight <= 8, "{counted:?}");
}
