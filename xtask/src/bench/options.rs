//! What the user asked of a bench, checked.

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, builder::NonEmptyStringValueParser};

use crate::{
    cli::{self, Color},
    error::{Error, Result},
    host::Purpose,
    nearest::unknown_name,
    splice,
};

use super::{
    contract::{Counted, Metric},
    export,
};

/// What `bench` takes.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct BenchArgs {
    /// The model to measure against its peers: threads, processes or evented.
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Metrics, by name or part of it, separated by commas; without it, all (--list shows them).
    #[arg(long, value_name = "FILTER", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub metric: Vec<String>,
    /// Rounds of each metric; goals are judged from six on.
    #[arg(long, value_name = "N", value_parser = cli::number)]
    pub rounds: Option<NonZeroU16>,
    /// Leave rounds out rather than take longer than this, once everything is built.
    #[arg(long, value_name = "SECONDS", value_parser = cli::seconds)]
    pub budget: Option<NonZeroU32>,
    /// How long one sample may take before it is killed.
    #[arg(long, value_name = "SECONDS", value_parser = cli::seconds)]
    pub timeout: Option<NonZeroU32>,
    /// The seed of the random order of samples.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Also write the results to a file: json=FILE.
    #[arg(long, value_name = "FORMAT=FILE")]
    pub export: Vec<String>,
    /// Write the results, and what follows from them, into FILE, between the markers that it has for them.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["smoke", "list"])]
    pub splice: Option<PathBuf>,
    /// End with exit code 3 when a required goal is not met, and 5 when one cannot be judged.
    #[arg(long)]
    pub gate: bool,
    /// Only check that everything works: one round of tiny samples, whose times say nothing.
    #[arg(long, conflicts_with_all = ["gate", "rounds"])]
    pub smoke: bool,
    /// Measure no time, but count instructions under valgrind, which noise does not change; end with
    /// exit code 3 when they are more than a tenth more than recorded.
    #[arg(long, conflicts_with_all = ["gate", "rounds", "smoke", "export", "budget", "list", "splice"])]
    pub instructions: bool,
    /// List the metrics and the goals of the model, and measure nothing.
    #[arg(long, conflicts_with_all = ["gate", "smoke", "export"])]
    pub list: bool,
    /// Whether to use colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// What ends `bench --help`.
const EXIT_CODES: &str = "Exit codes: 0 ok, 1 error, 2 wrong use, 3 a required goal is not met \
(with --gate), 4 a contender did its work wrongly, 5 a required goal cannot be judged (with \
--gate), 130 interrupted (what was measured is kept).";

/// The rounds unless the user says how many: of twelve, the bounds are the third and the tenth.
const ROUNDS: usize = 12;

/// The seed unless the user gives one.
const SEED: u64 = 1;

/// How long a sample may take unless the user says so.
const LIMIT: Duration = Duration::from_secs(30);

/// What the user asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// Parts of the names of the metrics; empty: all.
    filters: Vec<String>,
    /// Rounds of each metric.
    pub rounds: usize,
    /// How long all of it may take.
    pub budget: Option<Duration>,
    /// How long one sample may take.
    pub limit: Duration,
    /// The seed of the order of samples.
    pub seed: u64,
    /// Whether only results are checked.
    pub smoke: bool,
    /// Where to write the results, besides the folder of the run.
    pub exports: Vec<PathBuf>,
    /// The document that they go into.
    pub splice: Option<PathBuf>,
}

impl Options {
    /// Checks the arguments. Names of metrics are checked later, when the program was asked.
    ///
    /// # Errors
    /// A usage error for an export in an unknown format, and for a document without markers; an error for one
    /// that cannot be written.
    pub(super) fn new(args: &BenchArgs) -> Result<Self> {
        if let Some(path) = &args.splice {
            splice::check("bench", path)?;
            export::writable(path).map_err(Error::io("write the results into", path))?;
        }
        let rounds = args.rounds.map_or(ROUNDS, |rounds| rounds.get().into());
        Ok(Self {
            filters: args.metric.clone(),
            rounds: if args.smoke { 1 } else { rounds },
            budget: args.budget.map(|seconds| Duration::from_secs(seconds.get().into())),
            limit: args.timeout.map_or(LIMIT, |seconds| Duration::from_secs(seconds.get().into())),
            seed: args.seed.unwrap_or(SEED),
            smoke: args.smoke,
            exports: args.export.iter().map(|text| export::parse(text)).collect::<Result<_>>()?,
            splice: args.splice.clone(),
        })
    }

    /// What is asked of the program.
    pub(super) fn purpose(&self) -> Purpose {
        if self.smoke { Purpose::Results } else { Purpose::Times }
    }

    /// The metrics that were asked for.
    ///
    /// # Errors
    /// A usage error when a filter is part of no name.
    pub(super) fn choose<M: Named>(&self, metrics: Vec<M>) -> Result<Vec<M>> {
        let is_part_of = |filter: &String, metric: &M| metric.name().contains(&**filter);
        for filter in &self.filters {
            if !metrics.iter().any(|metric| is_part_of(filter, metric)) {
                let known = metrics.iter().filter(|metric| !metric.named_only());
                return Err(Error::usage(unknown_name("metric", filter, known.map(M::name))));
            }
        }
        let chosen = |metric: &M| {
            if self.filters.is_empty() {
                !metric.named_only()
            } else {
                self.filters.iter().any(|filter| is_part_of(filter, metric))
            }
        };
        Ok(metrics.into_iter().filter(chosen).collect())
    }
}

/// What is chosen by name.
pub(super) trait Named {
    /// The name of the metric.
    fn name(&self) -> &str;

    /// Whether it is left out unless it is named.
    fn named_only(&self) -> bool;
}

impl Named for Metric {
    fn name(&self) -> &str {
        &self.name
    }

    fn named_only(&self) -> bool {
        self.named_only
    }
}

impl Named for Counted {
    fn name(&self) -> &str {
        &self.metric
    }

    fn named_only(&self) -> bool {
        self.named_only
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        bench::contract::{Amount, Cost},
        exit::Exit,
    };

    use super::*;

    /// The names of the metrics that these filters choose.
    fn chosen(filters: &[&str]) -> Result<Vec<String>> {
        let metric = |(name, named_only): (&str, bool)| Metric {
            name: name.into(),
            about: String::new(),
            unit: "unit".into(),
            cost: Cost::Wall,
            amount: Amount::Calibrated { first: 1, step: 1 },
            named_only,
            ours: "ours".into(),
            peers: Vec::new(),
            baseline: None,
        };
        let metrics = [("submit.call", false), ("queue.1.1x1", false), ("dummy.hang", true)];
        let options = Options {
            filters: filters.iter().map(|filter| (*filter).into()).collect(),
            rounds: 1,
            budget: None,
            limit: LIMIT,
            seed: SEED,
            smoke: false,
            exports: Vec::new(),
            splice: None,
        };
        let metrics = options.choose(metrics.into_iter().map(metric).collect())?;
        Ok(metrics.into_iter().map(|metric| metric.name).collect())
    }

    #[test]
    fn metrics_are_chosen_by_part_of_the_name() {
        assert_eq!(chosen(&[]).unwrap(), ["submit.call", "queue.1.1x1"]);
        assert_eq!(chosen(&["queue", "call"]).unwrap(), ["submit.call", "queue.1.1x1"]);
        assert_eq!(chosen(&["dummy"]).unwrap(), ["dummy.hang"], "it was named");
    }

    #[test]
    fn an_unknown_metric_is_wrong_use() {
        let error = chosen(&["submit.cal1"]).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("did you mean submit.call?"), "{error}");
        assert!(!error.message.contains("dummy"), "{error}");
    }
}
