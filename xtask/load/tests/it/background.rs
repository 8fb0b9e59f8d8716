//! The server on a thread of this process.

use std::{net::TcpStream, time::Duration};

use common::site::SiteSpec;

use crate::{
    client::{Client, stats, wait_until},
    site::{quick, serve},
};

#[test]
fn stop_ends_it_and_frees_the_port() {
    let (site, running) = serve(quick());
    let addr = running.addr();
    let mut idle = Client::connect(addr);
    idle.get(&site, 1, 3);
    running.stop().unwrap();
    assert!(idle.is_at_end());
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn drop_ends_it() {
    let (_, running) = serve(quick());
    let addr = running.addr();
    drop(running);
    assert!(TcpStream::connect(addr).is_err());
}

/// An answer that is due within the grace period is given, and the connection ends with it.
#[test]
fn stop_lets_an_answer_under_way_arrive() {
    let spec = SiteSpec { median_latency: Duration::from_millis(900), sigma: 0.0, ..quick() };
    let (site, running) = serve(spec);
    let mut client = Client::connect(running.addr());
    client.ask(&site, 1, 3);
    wait_until("in flight", || stats(running.addr()).peak_in_flight == 1);
    running.stop().unwrap();
    let answer = client.answer();
    assert_eq!((answer.status, &answer.body), (200, &site.body(1)));
    assert!(answer.has("Connection: close") && client.is_at_end());
}
