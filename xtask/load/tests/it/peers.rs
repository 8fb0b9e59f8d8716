//! Peers that read slowly, stop half-way, vanish, or come in thousands.

use std::{net::SocketAddr, time::Duration};

use common::site::{Site, SiteSpec};

use crate::{
    client::{Client, reset, stats, wait_until},
    site::{quick, serve},
};

/// How many answers a peer that does not read asks for: several times what sockets can hold.
const UNREAD: u32 = 2_500;

/// How many round trips without progress show that a connection is blocked. While it is not, each
/// turn of the server moves it on, and each round trip takes a turn.
const QUIET_ROUND_TRIPS: u32 = 200;

/// A site that answers as fast as it can.
fn immediate() -> SiteSpec {
    SiteSpec { median_latency: Duration::ZERO, error_permille: 0, ..quick() }
}

/// Resets the connection instead of ending it in order.
fn break_off(client: Client) {
    rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// Asks for [`UNREAD`] answers, reads none, and waits until the server cannot write any more.
fn block_server(site: &Site, addr: SocketAddr) -> Client {
    let mut client = Client::connect(addr);
    rustix::net::sockopt::set_socket_recv_buffer_size(client.stream(), 65_536).unwrap();
    for index in 0..UNREAD {
        client.ask(site, index % site.pages(), 0);
    }
    let (mut served, mut quiet) = (0, 0);
    wait_until("the server is blocked", || {
        let now = stats(addr).served;
        quiet = if now == served { quiet + 1 } else { 0 };
        served = now;
        quiet == QUIET_ROUND_TRIPS
    });
    assert!(served < u64::from(UNREAD), "the server holds {served} unread answers");
    client
}

#[test]
fn a_half_closed_peer_is_answered() {
    let (site, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    client.ask(&site, 1, 3);
    client.ask(&site, 2, 3);
    client.finish_sending();
    assert_eq!(client.answer().body, site.body(1));
    assert_eq!(client.answer().body, site.body(2));
    assert!(client.is_at_end());
}

#[test]
fn a_peer_that_closes_without_a_request_is_let_go() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    client.finish_sending();
    assert!(client.is_at_end());
}

#[test]
fn half_a_request_is_refused() {
    let (_, running) = serve(quick());
    let mut client = Client::connect(running.addr());
    client.send(b"GET /p/1 HTTP/1.1\r\nHost:");
    client.finish_sending();
    assert_eq!(client.answer().status, 400);
    assert!(client.is_at_end());
}

#[test]
fn a_slow_reader_gets_everything_and_holds_up_nobody() {
    let (site, running) = serve(immediate());
    let mut slow = block_server(&site, running.addr());
    assert_eq!(Client::connect(running.addr()).get(&site, 3, 0).body, site.body(3));
    for index in 0..UNREAD {
        let page = index % site.pages();
        assert_eq!(slow.answer().body, site.body(page), "answer {index}");
    }
}

#[test]
fn a_reset_in_the_middle_of_an_answer_frees_its_place() {
    let (site, running) = serve(immediate());
    let addr = running.addr();
    let client = block_server(&site, addr);
    reset(addr);
    assert_eq!(stats(addr).peak_in_flight, 1, "the answer is being written");
    break_off(client);
    wait_until("nothing in flight", || {
        reset(addr);
        stats(addr).peak_in_flight == 0
    });
    assert_eq!(Client::connect(addr).get(&site, 3, 0).body, site.body(3));
}

/// In a process of its own, so that nobody else's descriptors are counted.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_connections_leave_no_descriptor() {
    use crate::program::Program;

    let site = Site::new(immediate()).unwrap();
    let program = Program::start(&["--pages", "200", "--hosts", "4", "--median-us", "0"]);
    let addr = program.addr();
    stats(addr);
    // None of the connections that came before is open: just what the server itself needs.
    let baseline = program.idle_descriptors();
    for index in 0..1_000 {
        let mut client = Client::connect(addr);
        match index % 4 {
            0 => assert_eq!(client.get(&site, index % 200, 3).status, 200),
            1 => {
                client.ask(&site, index % 200, 3);
                break_off(client);
            }
            2 => client.send(b"GET"),
            _ => {}
        }
    }
    assert_eq!(program.idle_descriptors(), baseline);
    program.end();
}
