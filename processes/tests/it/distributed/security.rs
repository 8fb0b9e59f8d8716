//! Who may talk to a broker that is not on this machine, and which brokers are believed.

use std::io::{Error, ErrorKind};

use processes::{Cluster, Pool, ProcessBuilder, Queue};

use super::machines::{self, Network};
use super::operator::Operator;
use super::servers::{Access, ESCAPED, PASSWORD, Server, authority, file, node, signed, url_of};
use super::square;
use crate::support::{soon, wait_until};

/// The configuration of a broker with more lines.
fn config(name: &str, more: &str) -> String {
    let store = file(&format!("{name}.store"));
    format!("listen: 0.0.0.0:4222\njetstream {{ store_dir: {store}, max_file: 8G }}\n{more}\n")
}

/// A broker b1 with more lines in its configuration.
fn broker(network: &Network, more: &str) -> Server {
    let broker = Server::start(network, "b1", &config("b1", more));
    broker.is_up();
    broker
}

/// Lines for TLS with the certificate b1, and for a password.
fn tls(more: &str) -> String {
    let files = r#"cert_file: "b1.pem", key_file: "b1.key", ca_file: "ca.pem", timeout: 10"#;
    format!("tls {{ {files}, {more} }}")
}

/// Lines for a password.
const LOGIN: &str = "authorization { user: pool, password: $POOL_PASSWORD }";

/// A call works.
fn works(pool: &Pool) {
    assert_eq!(pool.submit(square, 12).join().unwrap(), 144);
}

/// How one is refused, who would be a client or a node.
fn refused(access: &Access) -> Error {
    let (client, node) = (access.cluster().connect(), access.cluster().node(1));
    let (client, node) = (client.unwrap_err(), node.unwrap_err());
    eprintln!("{client}");
    assert_eq!(client.kind(), node.kind(), "{client}; {node}");
    let said = format!("{:?} {client:?} {node:?}", access.cluster());
    assert!(!said.contains(PASSWORD) && !said.contains(ESCAPED), "{said}");
    client
}

#[test]
fn brokers_elsewhere_need_tls_and_credentials() {
    let name = "distributed::security::brokers_elsewhere_need_tls_and_credentials";
    machines::run(name, |net| {
        let broker = broker(net, "");
        for url in ["nats://10.77.0.11:4222", "nats://b1", "tls://b1", "nats://me:secret@b1"] {
            let error = refused(&Access::open(url));
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains("or say `insecure`"), "{error}");
        }
        assert!(broker.get("/varz").contains("\"total_connections\": 0,"), "one has connected");
        let open = Access { insecure: true, ..Access::open("nats://b1") };
        let _node = node(&net.machine("n1"), &open, ProcessBuilder::new());
        works(&open.cluster().connect().unwrap());
        // It has no TLS.
        authority("ca");
        let error = refused(&Access::with_password(format!("nats://me:{ESCAPED}@b1")));
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    });
}

#[test]
fn brokers_have_to_prove_who_they_are() {
    machines::run("distributed::security::brokers_have_to_prove_who_they_are", |net| {
        authority("ca");
        authority("other");
        signed("ca", "b1", "b1");
        let broker = broker(net, &(tls("") + "\n" + LOGIN));
        let good = Access::with_password(url_of("b1"));
        let _node = node(&net.machine("n1"), &good, ProcessBuilder::new());
        let pool = good.cluster().connect().unwrap();
        works(&pool);
        // Its address is in its certificate; with roots, TLS goes without saying.
        let address = Access::with_password(format!("nats://pool:{ESCAPED}@10.77.0.11:4222"));
        works(&address.cluster().connect().unwrap());

        let wrong = Access { roots: Some("other".to_owned()), ..good.clone() };
        let nobody = Access { roots: None, ..good.clone() };
        for access in [wrong, nobody] {
            let error = refused(&access);
            assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
            assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        }
        // The machine of another name.
        machines::sh("echo 10.77.0.11 impostor >> /etc/hosts");
        let error = refused(&Access::with_password(url_of("impostor")));
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        assert!(error.to_string().contains("impostor"), "{error}");

        std::fs::write(file("empty.pem"), "no certificate").unwrap();
        for (name, kind) in [("missing", ErrorKind::NotFound), ("empty", ErrorKind::InvalidInput)] {
            let error = refused(&Access { roots: Some(name.to_owned()), ..good.clone() });
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(&file(&format!("{name}.pem"))), "{error}");
        }
        for (from, to) in [(ESCAPED, "guess"), ("pool", "guest")] {
            let error = refused(&Access { url: good.url.replace(from, to), ..good.clone() });
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
        // A client that has been refused is no reason not to serve others.
        works(&pool);
        drop(broker);
    });
}

#[test]
fn clients_and_nodes_can_have_to_prove_who_they_are() {
    let name = "distributed::security::clients_and_nodes_can_have_to_prove_who_they_are";
    machines::run(name, |net| {
        authority("ca");
        authority("other");
        signed("ca", "b1", "b1");
        signed("ca", "client", "n1");
        signed("other", "stranger", "n1");
        let _broker = broker(net, &tls("verify: true"));
        let known = |name: &str| Access {
            identity: Some(name.to_owned()),
            ..Access::with_password("tls://b1:4222")
        };
        let good = known("client");
        let _node = node(&net.machine("n1"), &good, ProcessBuilder::new());
        works(&good.cluster().connect().unwrap());
        let nobody = Access { insecure: true, ..Access::with_password("tls://b1:4222") };
        for access in [known("stranger"), nobody] {
            let error = refused(&access);
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains("certificate of this side"), "{error}");
        }
        let error = refused(&known("missing"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&file("missing.pem")), "{error}");
    });
}

#[test]
fn users_of_an_operator_are_known_by_their_credentials() {
    let name = "distributed::security::users_of_an_operator_are_known_by_their_credentials";
    machines::run(name, |net| {
        authority("ca");
        signed("ca", "b1", "b1");
        let (operator, [work, others]) = Operator::new("operator", ["work", "others"]);
        let (_stranger, [unknown]) = Operator::new("stranger", ["unknown"]);
        work.user("client");
        work.user("node");
        others.user("other");
        unknown.user("nobody");
        let _broker = broker(net, &(tls("") + "\n" + &operator.config));
        let known = |name: &str| Access {
            credentials: Some(name.to_owned()),
            ..Access::with_password("tls://b1:4222")
        };
        let _node = node(&net.machine("n1"), &known("node"), ProcessBuilder::new());
        let pool = known("client").cluster().connect().unwrap();
        works(&pool);
        // Another account is another world.
        let other = known("other").cluster().connect().unwrap();
        assert_eq!((pool.workers(), other.workers()), (1, 0));
        drop(other);

        let error = refused(&known("nobody"));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let error = refused(&known("missing"));
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&file("missing.creds")), "{error}");
        std::fs::write(file("broken.creds"), "no credentials").unwrap();
        let error = refused(&known("broken"));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(&file("broken.creds")), "{error}");
    });
}

/// The program of a client that trusts an authority of the system.
fn trusting((url, ready): (String, Queue<u32>)) {
    let pool = Cluster::new(url).connect().unwrap();
    ready.put(0).unwrap();
    let _never = pool.submit(square, 1).join();
}

#[test]
fn a_broker_that_another_one_tells_of_has_to_have_tls() {
    let name = "distributed::security::a_broker_that_another_one_tells_of_has_to_have_tls";
    machines::run(name, |net| {
        authority("ca");
        signed("ca", "b1", "b1");
        let cluster = "cluster { name: work, listen: 0.0.0.0:6222, \
                       routes: [\"nats://b1:6222\", \"nats://b2:6222\"] }";
        let more = |tls: &str, name: &str| {
            config(name, &format!("server_name: {name}\n{LOGIN}\n{tls}\n{cluster}"))
        };
        let mut good = Server::start(net, "b1", &more(&tls(""), "b1"));
        let plain = Server::start(net, "b2", &more("", "b2"));
        good.is_up();
        plain.is_up();
        let ready = Queue::bounded(1).unwrap();
        let client = ProcessBuilder::new().env("SSL_CERT_FILE", file("ca.pem"));
        let client = client.spawn(trusting, (url_of("b1"), ready.clone())).unwrap();
        soon(&ready);
        good.stop();
        let seen = || {
            let about = plain.get("/varz");
            let number = about.split_once("\"total_connections\": ").unwrap().1;
            number.split(',').next().unwrap().parse::<u32>().unwrap()
        };
        let has_logged_in =
            || plain.get("/connz?state=all&auth=1").contains("\"name\": \"client\"");
        wait_until("the client has tried the other one", || seen() >= 2 || has_logged_in());
        assert!(!has_logged_in(), "it has sent its password to whom it does not know");
        client.kill();
    });
}
