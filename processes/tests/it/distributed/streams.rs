//! What a broker of tests has in its streams, and what is done to these behind the back of its clients.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::support::Broker;
use crate::support::{BOUND, wait_until};

impl Broker {
    /// How many messages a stream has.
    pub(crate) fn messages(&self, stream: &str) -> u64 {
        self.number(&format!("triptych-{stream}"), "messages")
    }

    /// Whether a stream has, or has had, any message.
    pub(crate) fn has_stored(&self, stream: &str) -> bool {
        self.number(&format!("triptych-{stream}"), "last_seq") > 0
    }

    /// Removes all calls.
    pub(crate) fn purge_calls(&self) {
        self.publish("$JS.API.STREAM.PURGE.triptych-calls", "");
        wait_until("there are none", || self.messages("calls") == 0);
    }

    /// Removes the parts of all bodies in the store, but not what says that they are there.
    pub(crate) fn purge_bodies(&self) {
        let filter = r#"{"filter":"$O.triptych-bodies.C.>"}"#;
        self.publish("$JS.API.STREAM.PURGE.OBJ_triptych-bodies", filter);
    }

    /// Makes the store of bodies, which forgets them after so many seconds, before anybody else does.
    pub(crate) fn make_store(&self, age_s: u64) {
        self.make_store_of(age_s, -1);
    }

    /// The same, with room for so many bytes; -1: as many as the broker has.
    pub(crate) fn make_store_of(&self, age_s: u64, max_bytes: i64) {
        let config = format!(
            r#"{{"name":"OBJ_triptych-bodies","storage":"file","num_replicas":1,"discard":"new",
            "subjects":["$O.triptych-bodies.C.>","$O.triptych-bodies.M.>"],"retention":"limits",
            "max_consumers":-1,"max_msgs":-1,"max_bytes":{max_bytes},"max_msg_size":-1,"allow_direct":true,
            "allow_rollup_hdrs":true,"max_age":{},"duplicate_window":1000000000}}"#,
            age_s * 1_000_000_000
        );
        self.publish("$JS.API.STREAM.CREATE.OBJ_triptych-bodies", &config);
        let there = || self.number_if_any("OBJ_triptych-bodies", "bytes").is_some();
        wait_until("there is a store", there);
    }

    /// Makes a stream, which takes what is said to `subject`.
    pub(crate) fn make_stream(&self, name: &str, subject: &str) {
        let config = format!(
            r#"{{"name":"{name}","subjects":["{subject}"],"retention":"limits","storage":"memory",
            "max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"discard":"old","num_replicas":1}}"#
        );
        self.publish(&format!("$JS.API.STREAM.CREATE.{name}"), &config);
        wait_until("there is a stream", || self.number_if_any(name, "bytes").is_some());
    }

    /// Removes a stream.
    pub(crate) fn remove_stream(&self, name: &str) {
        self.publish(&format!("$JS.API.STREAM.DELETE.{name}"), "");
    }

    /// How many requests of `JetStream` the broker has refused.
    pub(crate) fn refusals(&self) -> u64 {
        let said = self.get("/jsz");
        leading_number(said.split_once("\"errors\": ").unwrap().1).unwrap()
    }

    /// Publishes a message, and waits until the broker has read it.
    fn publish(&self, subject: &str, payload: &str) {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[0])).unwrap();
        let publish = format!("PUB {subject} {}\r\n{payload}\r\n", payload.len());
        connection.write_all(format!("CONNECT {{}}\r\n{publish}PING\r\n").as_bytes()).unwrap();
        connection.set_read_timeout(Some(BOUND)).unwrap();
        let (mut said, mut part) = (Vec::new(), [0; 4096]);
        while !said.ends_with(b"PONG\r\n") {
            let length = connection.read(&mut part).unwrap();
            assert!(length > 0, "the broker has hung up: {said:?}");
            said.extend_from_slice(&part[..length]);
        }
    }

    /// The number of the first message that the store of bodies has, and of the last one that it had.
    pub(crate) fn span_of_bodies(&self) -> (u64, u64) {
        let number = |what| self.number("OBJ_triptych-bodies", what);
        (number("first_seq"), number("last_seq"))
    }

    /// How many bytes the broker has sent to the only client.
    pub(crate) fn bytes_to_client(&self) -> u64 {
        let said = self.get("/connz");
        let mut connections = said.split("\"cid\":");
        let client = connections.find(|one| one.contains("\"name\": \"client\"")).unwrap();
        leading_number(client.split_once("\"out_bytes\": ").unwrap().1).unwrap()
    }

    /// How many bytes the store of bodies takes.
    pub(crate) fn bytes_of_bodies(&self) -> u64 {
        self.number("OBJ_triptych-bodies", "bytes")
    }

    /// How many messages a stream has; none: there is no such stream.
    pub(crate) fn messages_if_any(&self, stream: &str) -> Option<u64> {
        self.number_if_any(&format!("triptych-{stream}"), "messages")
    }

    /// What the broker says of a stream, which there is.
    fn number(&self, stream: &str, what: &str) -> u64 {
        self.number_if_any(stream, what).unwrap()
    }

    /// What the broker says of a stream.
    fn number_if_any(&self, stream: &str, what: &str) -> Option<u64> {
        let said = self.get("/jsz?streams=1");
        let stream = said.split_once(&format!("\"name\": \"{stream}\""))?.1;
        leading_number(stream.split_once(&format!("\"{what}\": ")).unwrap().1)
    }

    /// What it says to those who look at it.
    fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[1])).unwrap();
        connection.set_read_timeout(Some(BOUND)).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: broker\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// The number with which a text begins.
fn leading_number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
