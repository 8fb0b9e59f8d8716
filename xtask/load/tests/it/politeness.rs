//! No virtual host has more requests in flight than allowed.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use common::site::{Site, SiteSpec};

use crate::{
    client::{Client, reset, stats, wait_until},
    site::{PER_HOST, quick, serve, slow},
};

/// Asks for `count` pages of host 0, each on its own connection, and waits until all are in flight.
fn fill_host(site: &Site, addr: SocketAddr, count: u32) -> Vec<Client> {
    let clients = (0..count).map(|index| {
        let mut client = Client::connect(addr);
        client.ask(site, index * site.hosts(), 0);
        client
    });
    let clients = clients.collect();
    wait_until("all in flight", || stats(addr).peak_per_host == u64::from(count));
    clients
}

/// Waits until nothing is in flight any more.
fn wait_until_idle(addr: SocketAddr) {
    wait_until("nothing in flight", || {
        reset(addr);
        stats(addr).peak_in_flight == 0
    });
}

#[test]
fn the_ninth_at_once_is_refused() {
    let (site, running) = serve(slow());
    let addr = running.addr();
    let full = fill_host(&site, addr, PER_HOST.get());
    let mut ninth = Client::connect(addr);
    let answer = ninth.get(&site, 40, 0);
    assert_eq!(answer.status, 429);
    assert_eq!(answer.body, b"h0.test has too many requests in flight\n");
    // Another host has room, and refusing does not end the connection.
    ninth.ask(&site, 1, 0);
    wait_until("one more in flight", || stats(addr).peak_in_flight == 9);
    let counted = stats(addr);
    assert_eq!((counted.refused_429, counted.peak_per_host, counted.requests), (1, 8, 10));
    drop(full);
}

#[test]
fn an_answer_makes_room() {
    let site = Site::new(quick()).unwrap();
    let one = NonZeroU32::new(1).unwrap();
    let running = load::serve_in_background(site.clone(), one).unwrap();
    let (mut first, mut second) =
        (Client::connect(running.addr()), Client::connect(running.addr()));
    for _ in 0..200 {
        assert_eq!(first.get(&site, 0, 3).status, 200);
        assert_eq!(second.get(&site, 4, 3).status, 200);
    }
    let counted = stats(running.addr());
    assert_eq!((counted.served, counted.refused_429, counted.peak_per_host), (400, 0, 1));
}

#[test]
fn a_reset_makes_room() {
    let (site, running) = serve(slow());
    let addr = running.addr();
    for _ in 0..3 {
        let full = fill_host(&site, addr, PER_HOST.get());
        for client in &full {
            rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
        }
        drop(full);
        wait_until_idle(addr);
    }
    assert_eq!(stats(addr).served, 0);
}

/// What is in flight at a reset is the first peak.
#[test]
fn a_reset_of_the_counters_keeps_what_is_in_flight() {
    let (site, running) = serve(slow());
    let full = fill_host(&site, running.addr(), 5);
    reset(running.addr());
    let counted = stats(running.addr());
    assert_eq!((counted.requests, counted.peak_in_flight, counted.peak_per_host), (0, 5, 5));
    drop(full);
}

/// Pipelined requests are answered one by one, so a single connection is always polite.
#[test]
fn pipelined_requests_are_not_in_flight_before_their_turn() {
    let (site, running) = serve(SiteSpec { error_permille: 0, ..quick() });
    let mut client = Client::connect(running.addr());
    for _ in 0..20 {
        client.ask(&site, 0, 0);
    }
    for _ in 0..20 {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(stats(running.addr()).peak_in_flight, 1);
}
