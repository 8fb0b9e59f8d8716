//! Three brokers and three nodes on machines of their own, which die and are cut off: every call
//! resolves once.

use std::time::{Duration, Instant};

use processes::{JoinError, Pool, ProcessBuilder};

use super::faults::{deadly, held, marked_slowly};
use super::machines::{self, FILES, Machine, Network};
use super::servers::{Access, LEASE, Trio, file, node, url_of};
use super::support::{Marks, Node, mark};
use super::{marked, processes_sleep, sleeps, square};
use crate::support::{BOUND, wait_until};

processes::task! {
    /// The machine that executes it.
    fn place(_x: ()) -> String {
        std::env::var("NODE").unwrap()
    }
}

processes::task! {
    /// Marks the machine that executes it, after a while; on some that is longer.
    fn paced(path: String) {
        let slow = std::env::var_os("SLOW").is_some();
        processes_sleep(if slow { 400 } else { 20 });
        let place = std::env::var("NODE").unwrap();
        mark(&path, place[1..].parse().unwrap());
    }
}

/// Three machines for nodes.
fn three(network: &Network) -> [Machine; 3] {
    ["n1", "n2", "n3"].map(|name| network.machine(name))
}

/// Marks in the files of the test.
fn marks() -> Marks {
    Marks::new(FILES.as_ref())
}

/// How long something has taken is said, not tested.
fn said(what: &str, since: Instant) {
    eprintln!("{what}: {:.1} s", since.elapsed().as_secs_f64());
}

/// Each of so many calls has its own result, though something happens after the first ones. They travel
/// together, or alone. Returns how many were executed more than once.
fn each_once(pool: &Pool, together: bool, count: u64, mut after: impl FnMut(u64)) -> usize {
    let (marks, mut seen) = (marks(), 0);
    let path = marks.path();
    let arguments = (0..count).map(|n| (path.clone(), n));
    let mut take = |result: Result<u64, JoinError>| {
        assert_eq!(result.unwrap(), seen);
        seen += 1;
        after(seen);
    };
    if together {
        pool.map(marked_slowly, arguments).for_each(&mut take);
    } else {
        let calls: Vec<_> = arguments.map(|x| pool.submit(marked_slowly, x)).collect();
        for call in calls {
            take(call.join());
        }
    }
    assert_eq!((seen, pool.stats().done), (count, count));
    let counts = marks.counts(usize::try_from(count).unwrap());
    assert!(counts.iter().all(|&times| times >= 1));
    let more = counts.iter().filter(|&&times| times > 1).count();
    let (retried, lost) = (pool.stats().retried, pool.stats().lost);
    eprintln!("executed more than once: {more} of {count}; retried {retried}, lost {lost}");
    more
}

#[test]
fn ten_thousand_calls_are_executed_once_each() {
    machines::run("distributed::three_brokers::ten_thousand_calls_are_executed_once_each", |net| {
        let trio = Trio::start_only(net);
        // They have not agreed yet who leads them.
        let pool = Trio::cluster().connect().unwrap();
        let _nodes = three(net).map(|machine| Trio::node(&machine));
        let marks = marks();
        wait_until("all are there", || pool.workers() == 3);
        assert!(trio.says("\"num_replicas\": 3"));
        let path = marks.path();
        let begun = Instant::now();
        let results = pool.map(marked, (0..10_000).map(|n| (path.clone(), n)));
        for (n, result) in (0_u64..).zip(results) {
            assert_eq!(result.unwrap(), n + 1);
        }
        said("10,000 calls of a map", begun);
        assert_eq!(marks.counts(10_000), vec![1; 10_000]);
        assert_eq!((pool.stats().done, pool.stats().retried), (10_000, 0));

        let begun = Instant::now();
        let calls: Vec<_> = (0..10_000).map(|n| pool.submit(square, n)).collect();
        for (n, call) in (0_u64..).zip(calls) {
            assert_eq!(call.join().unwrap(), n * n);
        }
        said("10,000 calls that travel alone", begun);
        assert_eq!((pool.stats().done, pool.stats().retried), (20_000, 0));
        drop(pool);
        trio.is_empty();
    });
}

#[test]
fn a_node_that_is_killed_costs_time_only() {
    machines::run("distributed::three_brokers::a_node_that_is_killed_costs_time_only", |net| {
        let trio = Trio::start(net);
        let nodes = three(net).map(|machine| Trio::node(&machine));
        let pool = Trio::cluster().connect().unwrap();
        let begun = Instant::now();
        let more = each_once(&pool, true, 1_500, |seen| {
            if seen == 300 {
                nodes[0].kill();
            }
        });
        // It had one frame, or a few.
        assert!(more <= 500, "{more}");
        said("1,500 calls, a node killed", begun);
        drop(pool);
        trio.is_empty();
    });
}

#[test]
fn the_late_result_of_a_node_that_was_cut_off_is_dropped() {
    let name = "distributed::three_brokers::the_late_result_of_a_node_that_was_cut_off_is_dropped";
    machines::run(name, |net| {
        let trio = Trio::start(net);
        let [first, second, third] = three(net);
        let _first = Trio::node(&first);
        let (pool, marks, gate) = (Trio::cluster().connect().unwrap(), marks(), file("gate"));
        let call = pool.submit(held, (marks.path(), gate.clone()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        let cut = Instant::now();
        first.cut();
        let _others = [Trio::node(&second), Trio::node(&third)];
        wait_until("it has begun elsewhere", || marks.counts(1) == [2]);
        std::fs::write(gate, "").unwrap();
        call.join_timeout(BOUND).expect("it ends").unwrap();
        wait_until("ten seconds are over", || cut.elapsed() > Duration::from_secs(10));
        first.mend();
        let mut others = 0;
        wait_until("it serves again", || {
            others += 1;
            pool.submit(place, ()).join_timeout(BOUND).expect("it ends").unwrap() == "n1"
        });
        // What it had to say before is said again, every 3 s.
        let again = Instant::now();
        wait_until("it has said so", || again.elapsed() > Duration::from_secs(7));
        let stats = pool.stats();
        let counts = (stats.done, stats.failed, stats.retried, stats.lost);
        assert_eq!(counts, (1 + others, 0, 1, 1));
        assert_eq!(marks.counts(1), [2]);
        drop(pool);
        trio.is_empty();
    });
}

#[test]
fn a_broker_that_is_killed_while_it_leads_costs_time_only() {
    let name = "distributed::three_brokers::a_broker_that_is_killed_while_it_leads_costs_time_only";
    machines::run(name, |net| {
        let mut trio = Trio::start(net);
        let _nodes = three(net).map(|machine| Trio::node(&machine));
        let pool = Trio::cluster().connect().unwrap();
        let begun = Instant::now();
        let more = each_once(&pool, false, 2_000, |seen| {
            if seen == 300 {
                let leader = trio.leader().unwrap();
                trio.servers[leader].stop();
            }
        });
        assert_eq!(more, 0, "all nodes live");
        said("2,000 calls, the leader killed", begun);
        drop(pool);
        trio.is_drained();
    });
}

#[test]
fn a_call_is_begun_once_though_what_leads_its_consumer_is_killed() {
    let name = "distributed::three_brokers::\
                a_call_is_begun_once_though_what_leads_its_consumer_is_killed";
    machines::run(name, |net| {
        let mut trio = Trio::start(net);
        let [first, second, _third] = three(net);
        let _first = Trio::node(&first);
        let (pool, marks, gate) = (Trio::cluster().connect().unwrap(), marks(), file("gate"));
        let call = pool.submit(held, (marks.path(), gate.clone()));
        wait_until("it has begun", || marks.counts(1) == [1]);
        let _second = Trio::node(&second);
        // Brokers note at once that a call was delivered, but not that its node renews the lease.
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
        let sleeps = |ms| pool.submit(sleeps, ms).join_timeout(BOUND).expect("it ends").unwrap();
        sleeps(2 * lease_ms);
        let leader = trio.consumer_leader().unwrap();
        trio.servers[leader].stop();
        wait_until("there is another one", || trio.consumer_leader().is_some());
        for _ in 0..2 {
            sleeps(lease_ms);
        }
        assert_eq!(marks.counts(1), [1]);
        std::fs::write(gate, "").unwrap();
        call.join_timeout(BOUND).expect("it ends").unwrap();
        assert_eq!((pool.stats().retried, pool.stats().lost), (0, 0));
    });
}

#[test]
fn brokers_that_are_all_stopped_and_started_cost_time_only() {
    let name =
        "distributed::three_brokers::brokers_that_are_all_stopped_and_started_cost_time_only";
    machines::run(name, |net| {
        let mut trio = Trio::start(net);
        let _nodes = three(net).map(|machine| Trio::node(&machine));
        let pool = Trio::cluster().connect().unwrap();
        let begun = Instant::now();
        let more = each_once(&pool, false, 1_500, |seen| {
            if seen == 300 {
                for server in &mut trio.servers {
                    server.stop();
                }
                for server in &mut trio.servers {
                    server.run();
                }
            }
        });
        assert_eq!(more, 0, "all nodes live");
        said("1,500 calls, all brokers stopped and started", begun);
        drop(pool);
        trio.is_drained();
    });
}

#[test]
fn a_broker_that_is_cut_off_costs_time_only() {
    machines::run("distributed::three_brokers::a_broker_that_is_cut_off_costs_time_only", |net| {
        let trio = Trio::start(net);
        let _node = Trio::node(&net.machine("n1"));
        // It is told of the others.
        let pool = Access::with_password(url_of("b1")).replicas(3).cluster().connect().unwrap();
        assert_eq!(pool.submit(square, 3).join().unwrap(), 9);
        let begun = Instant::now();
        trio.servers[0].machine.cut();
        let call = pool.submit(square, 4);
        assert_eq!(call.join_timeout(2 * BOUND).expect("it ends").unwrap(), 16);
        said("a call, the broker of its client cut off", begun);
    });
}

#[test]
fn a_slow_node_gets_fewer_calls() {
    machines::run("distributed::three_brokers::a_slow_node_gets_fewer_calls", |net| {
        let _trio = Trio::start(net);
        let [first, second, third] = three(net);
        let slow = ProcessBuilder::new().env("SLOW", "yes");
        let _nodes = [node(&first, &Trio::access(), slow), Trio::node(&second), Trio::node(&third)];
        let (pool, marks) = (Trio::cluster().connect().unwrap(), marks());
        wait_until("all are there", || pool.workers() == 3);
        let calls: Vec<_> = (0..300).map(|_| pool.submit(paced, marks.path())).collect();
        for call in calls {
            call.join().unwrap();
        }
        let counts = marks.counts(4);
        assert_eq!(counts.iter().sum::<usize>(), 300);
        eprintln!("a node that is 20 times slower has executed {} of 300 calls", counts[1]);
        assert!(counts[1] >= 1 && counts[1] < 60, "{counts:?}");
    });
}

#[test]
fn a_call_that_kills_three_nodes_is_given_up() {
    machines::run("distributed::three_brokers::a_call_that_kills_three_nodes_is_given_up", |net| {
        let trio = Trio::start(net);
        let nodes = three(net).map(|machine| Trio::node(&machine));
        let (pool, marks) = (Trio::cluster().connect().unwrap(), marks());
        let call = pool.submit(deadly, marks.path());
        wait_until("all are dead", || nodes.iter().all(|node| node.process().is_finished()));
        let _last: Node = Trio::node(&net.machine("n4"));
        let error = call.join_timeout(BOUND).expect("it ends").unwrap_err();
        let JoinError::Poison { attempts, last, .. } = &error else { panic!("{error}") };
        assert_eq!((*attempts, marks.counts(1)), (3, vec![3]));
        assert!(matches!(**last, JoinError::NodeLost { .. }), "{last}");
        assert_eq!(pool.submit(place, ()).join().unwrap(), "n4");
        wait_until("it is kept for people", || trio.messages("dead") == Some(1));
    });
}
