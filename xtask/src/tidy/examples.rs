//! Examples are short, and the models show the same ones.

use std::collections::BTreeMap;

use super::{MODELS, finding::Finding, tree::Tree};

/// Lines of an example.
const LINES: usize = 60;

/// Examples that not all models have: `swap*` make sense only where two share their names,
/// `orphan` where workers could outlive a killed parent, and the others show what only those
/// models have.
const SOME: &[(&str, &[&str])] = &[
    ("interrupt", &["processes"]),
    ("actors", &["processes"]),
    ("orphan", &["processes"]),
    ("swap", &["threads", "processes"]),
    ("swap_waiting", &["threads", "processes"]),
    ("await", &["threads"]),
    ("barrier", &["threads"]),
    ("broadcast", &["processes"]),
    ("channel", &["processes"]),
    ("cluster", &["processes"]),
    ("select", &["processes"]),
    ("condition", &["threads"]),
    ("event", &["threads", "evented"]),
    ("locks", &["threads", "evented"]),
    ("named_threads", &["threads"]),
    ("queue", &["threads"]),
    ("queue_orders", &["threads"]),
    ("semaphore", &["threads", "processes", "evented"]),
    ("shared_memory", &["processes"]),
    ("single_process", &["processes"]),
    ("timer", &["threads"]),
    ("trace", &["evented"]),
    ("back_pressure", &["threads", "evented"]),
    ("blocking", &["threads"]),
    ("callbacks", &["threads", "processes"]),
    ("cancel", &["threads", "evented"]),
    ("fork_join", &["threads"]),
    ("handles", &["threads"]),
    ("http", &["evented"]),
    ("idle_timeout", &["processes"]),
    ("inline", &["threads"]),
    ("maps", &["threads"]),
    ("priorities", &["threads"]),
    ("priority", &["evented"]),
    ("recycling", &["processes"]),
    ("resize", &["threads", "processes"]),
    ("retries", &["processes"]),
    ("shutdown", &["threads", "evented"]),
    ("slices", &["threads"]),
    ("worker_state", &["threads"]),
    ("chat", &["evented"]),
    ("echo", &["evented"]),
    ("children", &["evented"]),
    ("signals", &["evented"]),
];

/// Checks the examples of the models.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = BTreeMap::<String, Vec<(&str, String)>>::new();
    for model in MODELS {
        let folder = format!("{model}/examples");
        for file in tree.under(&folder).filter(|file| file.is_rust()) {
            let lines = file.lines().count();
            if lines > LINES {
                let message = format!("{lines} lines; an example has at most {LINES}");
                findings.push(Finding::error(&file.path, LINES + 1, message));
            }
            let inside = &file.path[folder.len() + 1..];
            let name = inside.split(['/', '.']).next().unwrap_or(inside).to_owned();
            found.entry(name).or_default().push((model, file.path.clone()));
        }
    }
    for (name, owners) in found {
        let some = SOME.iter().find(|(some, _)| *some == name).map(|(_, models)| *models);
        for model in some.unwrap_or(&MODELS) {
            if !owners.iter().any(|(owner, _)| owner == model) {
                let message = format!("{model} has no example {name}; the models show the same");
                findings.push(Finding::error(&owners[0].1, 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::planted, *};

    #[test]
    fn the_same_short_examples_are_good() {
        let tree = planted([
            ("threads/examples/a.rs", ""),
            ("processes/examples/a/main.rs", ""),
            ("evented/examples/a.rs", &"\n".repeat(LINES)),
            ("threads/examples/swap.rs", ""),
            ("processes/examples/swap.rs", ""),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_missing_example_is_found() {
        let tree = planted([("threads/examples/a.rs", ""), ("evented/examples/a.rs", "")]);
        let found = check(&tree);
        assert_eq!((found.len(), found[0].path.as_str()), (1, "threads/examples/a.rs"));
        assert!(found[0].message.contains("processes has no example a"), "{found:?}");
        let found = check(&planted([("threads/examples/swap.rs", "")]));
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_long_example_is_found() {
        let long = "\n".repeat(LINES + 1);
        let tree = planted([
            ("threads/examples/a.rs", &long),
            ("processes/examples/a.rs", ""),
            ("evented/examples/a.rs", ""),
        ]);
        let found = check(&tree);
        assert_eq!((found.len(), found[0].line), (1, LINES + 1), "{found:?}");
    }
}
