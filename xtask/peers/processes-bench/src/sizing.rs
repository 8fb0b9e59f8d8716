//! What follows from the costs of a cluster: a model of how many calls it takes, by the number of nodes.

use std::fmt::Write as _;

use sampler::Costs;

use crate::cluster_growth::{self, SLOTS};

/// Workers of a node, and its processors.
const WORKERS: f64 = 8.0;

/// Processors of the broker.
const BROKER: f64 = 4.0;

/// Lengths of calls, in milliseconds.
const LENGTHS_MS: [f64; 3] = [1.0, 10.0, 100.0];

/// Numbers of nodes.
const NODES: [f64; 5] = [1.0, 4.0, 16.0, 64.0, 256.0];

/// The processor time of a call that is a message, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Paid {
    /// By the program that submits it.
    client: f64,
    /// By the broker.
    broker: f64,
    /// By its node.
    node: f64,
}

/// What limits how many calls are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// The workers of the nodes.
    Nodes,
    /// The one client.
    Client,
    /// The broker.
    Broker,
}

impl Limit {
    /// As a letter of the table.
    const fn letter(self) -> char {
        match self {
            Self::Nodes => 'n',
            Self::Client => 'c',
            Self::Broker => 'b',
        }
    }
}

impl Paid {
    /// Of what was measured.
    fn of(costs: &Costs) -> Option<Self> {
        let cost = |name: &str| costs.get(name).copied().filter(|cost| *cost > 0.0);
        Some(Self {
            client: cost("cluster.cpu.client")?,
            broker: cost("cluster.cpu.broker")?,
            node: cost("cluster.cpu.nodes")?,
        })
    }

    /// How many calls of this length so many nodes take in a second, and what they are limited by.
    fn rate(self, length_ms: f64, nodes: f64) -> (f64, Limit) {
        let limits = [
            (nodes * WORKERS * 1e9 / (length_ms * 1e6 + self.node), Limit::Nodes),
            (1e9 / self.client, Limit::Client),
            (BROKER * 1e9 / self.broker, Limit::Broker),
        ];
        limits.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are three")
    }
}

/// The model, and how far it was tried; `None`: its costs were not measured.
pub(crate) fn conclusion(costs: &Costs) -> Option<String> {
    let paid = Paid::of(costs)?;
    let us = |ns: f64| format!("{:.1} us", ns / 1e3);
    let mut text = format!(
        "**A model**, not a measurement. A call that is a message costs the client {}, the broker {} and its \
         node {} of processor time (measured, above). With nodes of {WORKERS} workers and as many \
         processors, a broker of {BROKER} processors and one client, `n` nodes take the least of `n * \
         {WORKERS} / (length + node)`, `1 / client` and `{BROKER} / broker` calls in a second:\n\n",
        us(paid.client),
        us(paid.broker),
        us(paid.node)
    );
    text.push_str("| nodes |");
    for length in LENGTHS_MS {
        add(&mut text, format_args!(" calls of {length} ms |"));
    }
    add(&mut text, format_args!("\n| ---: |{}\n", " ---: |".repeat(LENGTHS_MS.len())));
    for nodes in NODES {
        add(&mut text, format_args!("| {nodes} |"));
        for length in LENGTHS_MS {
            let (rate, limit) = paid.rate(length, nodes);
            add(&mut text, format_args!(" {} {} |", grouped(rate), limit.letter()));
        }
        text.push('\n');
    }
    text.push_str(
        "\nn: limited by the nodes, so more of them help; c: by the client, so a second one helps; b: by the \
         broker. Networks, and disks that are slower than this one's, are not part of it. Shorter calls belong \
         into a `map`, which puts about half a millisecond of them into a message.",
    );
    if let Some(tried) = tried(costs) {
        add(&mut text, format_args!("\n\n{tried}"));
    }
    Some(text)
}

/// How far the model holds where it can be tried on one machine.
fn tried(costs: &Costs) -> Option<String> {
    let rates = cluster_growth::NODES.map(|nodes| {
        let cost = costs.get(&cluster_growth::name(nodes))?;
        let (rate, most) = (1e9 / cost, (nodes * SLOTS) as f64 / cluster_growth::SECONDS);
        Some(format!("{nodes}: {} of {}", grouped(rate), grouped(most)))
    });
    let rates: Vec<_> = rates.into_iter().collect::<Option<_>>()?;
    let milliseconds = cluster_growth::SECONDS * 1e3;
    Some(format!(
        "Tried on this machine with calls that wait for {milliseconds} ms, and nodes of {SLOTS} workers; calls in a \
         second, of those that the model has, by the number of nodes: {}. Each number is of a short run, \
         with its start and its end.",
        rates.join("; ")
    ))
}

/// Appends.
fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

/// A number with two digits that say something, and the digits in groups of three.
fn grouped(value: f64) -> String {
    let unit = 10_f64.powf((value.max(1.0).log10().floor() - 1.0).max(0.0));
    let digits = format!("{:.0}", (value / unit).round() * unit);
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs in microseconds.
    fn costs(us: &[(&str, f64)]) -> Costs {
        us.iter().map(|(name, us)| ((*name).to_owned(), us * 1e3)).collect()
    }

    #[test]
    fn the_least_of_three_limits_is_named() {
        let measured = [
            ("cluster.cpu.client", 10.0),
            ("cluster.cpu.broker", 80.0),
            ("cluster.cpu.nodes", 20.0),
        ];
        let paid = Paid::of(&costs(&measured)).unwrap();
        let (rate, limit) = paid.rate(1.0, 1.0);
        assert!((rate - 8.0 / 1.02e-3).abs() < 1e-6 && limit == Limit::Nodes, "{rate}");
        let (rate, limit) = paid.rate(1.0, 256.0);
        assert!((rate - 50_000.0).abs() < 1e-6 && limit == Limit::Broker, "{rate}");
        let paid = Paid { client: 40e3, ..paid };
        assert_eq!(paid.rate(1.0, 256.0).1, Limit::Client);
        let text = conclusion(&costs(&measured)).unwrap();
        assert!(
            text.starts_with("**A model**") && text.contains("| 1 | 7,800 n | 800 n | 80 n |"),
            "{text}"
        );
        assert!(text.contains("| 256 | 50,000 b | 50,000 b | 20,000 n |"), "{text}");
        assert!(!text.contains("Tried"), "{text}");
    }

    #[test]
    fn it_says_nothing_about_what_was_not_measured() {
        assert_eq!(conclusion(&costs(&[("cluster.cpu.client", 10.0)])), None);
        let growth = [("cluster.nodes.1", 1_500.0), ("cluster.nodes.2", 750.0)];
        assert_eq!(tried(&costs(&growth)), None);
        let growth = [&growth[..], &[("cluster.nodes.4", 400.0)]].concat();
        let text = tried(&costs(&growth)).unwrap();
        assert!(text.contains("1: 670 of 800; 2: 1,300 of 1,600; 4: 2,500 of 3,200"), "{text}");
    }

    #[test]
    fn numbers_have_two_digits_that_say_something() {
        for (value, text) in
            [(7_843.1, "7,800"), (80.0, "80"), (1_234_567.0, "1,200,000"), (3.2, "3")]
        {
            assert_eq!(grouped(value), text);
        }
    }
}
