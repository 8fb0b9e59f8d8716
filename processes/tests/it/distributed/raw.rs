//! What clients and nodes say to each other, byte by byte, and what is said to them in the place of others.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use processes::JoinError;

use super::away::impatient_node;
use super::square;
use super::support::{Broker, connect};
use crate::support::{BOUND, wait_until};

/// A connection to a broker, in its own words.
pub(crate) struct Raw(BufReader<TcpStream>);

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    /// To whom.
    pub(crate) subject: String,
    /// Its headers, as they are.
    pub(crate) headers: String,
    /// What it says.
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// The value of a header.
    fn header(&self, name: &str) -> &str {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(known, _value)| *known == name).map(|(_name, value)| value);
        values.next().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// What it says, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

impl Raw {
    /// One that hears what is said there.
    pub(crate) fn hearing(broker: &Broker, subjects: &[&str]) -> Self {
        let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.ports[0])).unwrap();
        connection.set_read_timeout(Some(BOUND)).unwrap();
        let mut raw = Self(BufReader::new(connection));
        raw.write(b"CONNECT {\"headers\":true,\"verbose\":false,\"echo\":false}\r\n");
        for (number, subject) in subjects.iter().enumerate() {
            raw.write(format!("SUB {subject} {number}\r\n").as_bytes());
        }
        assert!(raw.heard().is_empty());
        raw
    }

    /// Sends this.
    fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Says this there.
    pub(crate) fn say(&mut self, subject: &str, payload: &[u8]) {
        self.write(format!("PUB {subject} {}\r\n", payload.len()).as_bytes());
        self.write(&[payload, b"\r\n"].concat());
    }

    /// The same, with headers.
    fn say_with(&mut self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) {
        let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = format!("NATS/1.0\r\n{}\r\n", lines.collect::<String>());
        let total = head.len() + payload.len();
        self.write(format!("HPUB {subject} {} {total}\r\n{head}", head.len()).as_bytes());
        self.write(&[payload, b"\r\n"].concat());
    }

    /// The next message, or none: what comes next is the answer to a ping.
    fn message_or_pong(&mut self) -> Option<Message> {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the broker has hung up");
            let words: Vec<_> = line.split_whitespace().collect();
            let length = |at: usize| words[words.len() - at].parse::<usize>().unwrap();
            let (headers, all) = match words[0] {
                "MSG" => (0, length(1)),
                "HMSG" => (length(2), length(1)),
                "PONG" => return None,
                "PING" => {
                    self.write(b"PONG\r\n");
                    continue;
                }
                word => {
                    assert!(word != "-ERR", "{line}");
                    continue;
                }
            };
            let mut bytes = vec![0; all + 2];
            self.0.read_exact(&mut bytes).unwrap();
            bytes.truncate(all);
            let payload = bytes.split_off(headers);
            let headers = String::from_utf8(bytes).unwrap();
            return Some(Message { subject: words[1].to_owned(), headers, payload });
        }
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Message {
        self.message_or_pong().expect("no ping is under way")
    }

    /// What has come so far.
    pub(crate) fn heard(&mut self) -> Vec<Message> {
        self.write(b"PING\r\n");
        std::iter::from_fn(|| self.message_or_pong()).collect()
    }
}

#[test]
fn a_node_refuses_a_call_of_another_version_in_a_form_that_never_changes() {
    let Some(broker) = Broker::start() else { return };
    let node = broker.node(1);
    let client = "000000000000000000000000000000ab";
    let to = format!("triptych.client.{client}");
    let mut raw = Raw::hearing(&broker, &[&to]);
    let name = format!("{client}.5.0");
    raw.say_with("triptych.call", &[("Nats-Msg-Id", &name)], b"\x01\0\0\0\x4d and what follows");
    let refused = raw.next();
    assert_eq!(refused.header("Refused"), format!("{client}.5"));
    assert!(refused.header("Node").contains(&format!("/{}", node.process().pid())), "{refused:?}");
    assert!(refused.text().contains("it speaks version "), "{refused:?}");
}

#[test]
fn a_call_of_another_version_is_dropped_when_its_client_is_gone() {
    let Some(broker) = Broker::start() else { return };
    let _node = impatient_node(&broker.url());
    let name = "000000000000000000000000000000ab.5.0";
    let mut raw = Raw::hearing(&broker, &[]);
    raw.say_with("triptych.call", &[("Nats-Msg-Id", name)], b"\x01\0\0\0\x4d");
    wait_until("it is stored", || broker.has_stored("calls"));
    wait_until("it is dropped", || broker.messages("calls") == 0);
    assert_eq!(broker.messages("dead"), 0, "it was a call");
}

#[test]
fn a_client_of_another_version_that_comes_back_is_told_again_that_its_calls_are_refused() {
    let Some(broker) = Broker::start() else { return };
    let _node = impatient_node(&broker.url());
    let client = "000000000000000000000000000000ab";
    let message = b"\x01\0\0\0\x4d";
    let mut raw = Raw::hearing(&broker, &[]);
    let name = format!("{client}.5.0");
    raw.say_with("triptych.call", &[("Nats-Msg-Id", &name)], message);
    wait_until("it is stored", || broker.has_stored("calls"));
    wait_until("its client is gone", || broker.messages("calls") == 0);
    let to = format!("triptych.client.{client}");
    let mut raw = Raw::hearing(&broker, &[&to]);
    let name = format!("{client}.6.0");
    raw.say_with("triptych.call", &[("Nats-Msg-Id", &name)], message);
    for _ in 0..3 {
        assert_eq!(raw.next().header("Refused"), format!("{client}.6"));
    }
    assert_eq!(broker.messages("calls"), 1, "other nodes may know it");
}

/// Is said to be a call of the version of the time, and is none.
pub(crate) const GARBAGE: &[u8] = b"\x01\0\0\0\x04";

#[test]
fn what_is_no_call_is_kept_for_people_also_when_the_stream_for_that_is_lost() {
    let Some(broker) = Broker::start() else { return };
    let _node = broker.node(1);
    let mut raw = Raw::hearing(&broker, &[]);
    // Nobody's, of another version.
    raw.say("triptych.call", b"\x01\0\0\0\x4d");
    wait_until("it is kept", || broker.messages("dead") == 1);
    broker.remove_stream("triptych-dead");
    wait_until("there is none", || broker.messages_if_any("dead").is_none());
    raw.say("triptych.call", GARBAGE);
    wait_until("it is kept in a new one", || broker.messages_if_any("dead") == Some(1));
    wait_until("the stream is empty", || broker.messages("calls") == 0);
}

/// What a node says that is there.
fn here(name: &str, slots: u8) -> Vec<u8> {
    // As numbers are encoded: one byte up to 250, and 251 before those of two bytes.
    let length = u16::try_from(name.len()).unwrap();
    let length = match u8::try_from(length) {
        Ok(short @ ..=250) => vec![short],
        _ => [&[251], &length.to_le_bytes()[..]].concat(),
    };
    let head = [&length, name.as_bytes(), &[slots]].concat();
    [&u32::try_from(head.len()).unwrap().to_le_bytes(), &head[..]].concat()
}

#[test]
fn clients_do_not_listen_to_nodes_of_endless_names() {
    let Some(broker) = Broker::start() else { return };
    let pool = broker.connect();
    let mut raw = Raw::hearing(&broker, &[]);
    raw.say("triptych.here", &here(&"n".repeat(257), 3));
    raw.say("triptych.here", &here(&"m".repeat(256), 2));
    wait_until("it has heard both", || pool.workers() == 2);
    let nodes = pool.nodes();
    assert!(nodes.len() == 1 && nodes[0].name.starts_with('m'), "{nodes:?}");
}

#[test]
fn a_client_reads_why_nodes_of_another_version_refuse_its_call() {
    let Some(broker) = Broker::start() else { return };
    let mut raw = Raw::hearing(&broker, &["triptych.call"]);
    let pool = connect(&broker.cluster().patience(Duration::ZERO));
    let call = pool.submit(square, 1);
    let said = raw.next();
    let (client, number) = said.header("Nats-Msg-Id").split_once('.').unwrap();
    let name = format!("{client}.{}", number.split_once('.').unwrap().0);
    wait_until("it is in the stream", || broker.messages("calls") == 1);
    let headers = [("Refused", &*name), ("Node", "old/1")];
    let to = format!("triptych.client.{client}");
    raw.say_with(&to, &headers, b"it speaks version 9 of the protocol");
    let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
    assert!(matches!(error, JoinError::NotServed { .. }), "{error}");
    assert!(error.to_string().contains("old/1: it speaks version 9"), "{error}");
    wait_until("it is taken out", || broker.messages("calls") == 0);
}
