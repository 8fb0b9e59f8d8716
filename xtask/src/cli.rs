//! The command line.

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use common::workload;

use crate::{
    bench, ci, compare,
    doctor::{self, DoctorArgs},
    error::Result,
    exit::{self, Exit},
    explain::{self, ExplainArgs},
    list::{self, ListArgs},
    tidy, verify,
};

/// Threads, processes or an event loop? Measure your job.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the same verified work under each model and say which to use for what.
    Compare(CompareCommand),
    /// Measure a model against its peers, and say which of its goals hold.
    Bench(bench::BenchArgs),
    /// What there is to compare: workloads and lanes.
    List(ListArgs),
    /// What a workload asks, how large it is, and how its results are verified.
    Explain(ExplainArgs),
    /// Whether this machine is fit to measure on, and what to do about it.
    Doctor(DoctorArgs),
    /// Check everything that must hold before a change is merged.
    Ci(ci::CiArgs),
    /// Check the rules of the house.
    Tidy,
    /// Run the checks of the models that take long.
    Verify(verify::VerifyArgs),
}

/// `compare`, or what belongs to it.
#[derive(Debug, Args)]
#[command(after_help = exit::HELP, args_conflicts_with_subcommands = true)]
struct CompareCommand {
    /// What belongs to it: the same as without `compare`.
    #[command(subcommand)]
    beside: Option<Beside>,
    /// What to compare.
    #[command(flatten)]
    args: CompareArgs,
}

/// What belongs to `compare`.
#[derive(Debug, Subcommand)]
enum Beside {
    /// What there is to compare: workloads and lanes.
    List(ListArgs),
    /// What a workload asks, how large it is, and how its results are verified.
    Explain(ExplainArgs),
    /// Whether this machine is fit to measure on, and what to do about it.
    Doctor(DoctorArgs),
}

/// What `compare` takes.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Workloads, by name or part of it ("real.", "io.wait"); without any, those of the tier.
    #[arg(value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    pub filters: Vec<String>,
    /// How thorough: smoke checks results, quick answers within three minutes, full measures
    /// everything.
    #[arg(long, value_enum, default_value_t = TierArg::Quick)]
    pub tier: TierArg,
    /// Lanes to compare, separated by commas; without it, those worth showing for each workload.
    #[arg(long, value_name = "LANE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub lanes: Option<Vec<String>>,
    /// Compare with the lanes of other runtimes, too, which are built first; naming one of them with
    /// --lanes does the same for it.
    #[arg(long)]
    pub peers: bool,
    /// Compare with lanes whose workers are those of this cluster, instead of one on this machine: where
    /// its NATS brokers are. Its nodes are the same lane host (docs/cluster.md).
    #[arg(long, value_name = "URL")]
    pub cluster: Option<String>,
    /// Rounds of each timed workload; an interval needs at least six.
    #[arg(long, value_name = "N", value_parser = number)]
    pub rounds: Option<NonZeroU16>,
    /// Workers for computing; without it, as many as this process may use cores.
    #[arg(long, value_name = "N", value_parser = number)]
    pub workers: Option<NonZeroU16>,
    /// The directory that real.tree-hash hashes.
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Leave rounds out rather than take longer than this, once everything is built.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub budget: Option<NonZeroU32>,
    /// How long one run may take before its lane host is killed.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<NonZeroU32>,
    /// The seed of the random order of executions.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Also write the results to a file: json=FILE, csv=FILE or md=FILE.
    #[arg(long, value_name = "FORMAT=FILE")]
    pub export: Vec<String>,
    /// Write the results into FILE, between the markers that it has for them.
    #[arg(long, value_name = "FILE")]
    pub splice: Option<PathBuf>,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = MessageFormat::Human)]
    pub message_format: MessageFormat,
    /// Whether to use colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// End with exit code 5 when two lanes cannot be told apart.
    #[arg(long)]
    pub strict: bool,
}

/// The tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TierArg {
    /// Correctness only, small inputs.
    Smoke,
    /// A first answer.
    Quick,
    /// Everything.
    Full,
}

impl From<TierArg> for workload::Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Smoke => Self::Smoke,
            TierArg::Quick => Self::Quick,
            TierArg::Full => Self::Full,
        }
    }
}

/// What to print on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// The report, for people.
    Human,
    /// `run.json`, for programs.
    Json,
}

/// Whether to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that can, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How many of something.
///
/// # Errors
/// What it takes.
pub(crate) fn number(text: &str) -> std::result::Result<NonZeroU16, String> {
    text.parse().map_err(|_| format!("it takes a whole number from 1 to {}", u16::MAX))
}

/// How many seconds.
///
/// # Errors
/// What it takes.
pub(crate) fn seconds(text: &str) -> std::result::Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("it takes whole seconds, from 1 to {}", u32::MAX))
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Whatever the command says went wrong.
    pub fn run(self) -> Result<Exit> {
        match self.command {
            Command::Compare(CompareCommand { beside: None, args }) => compare::compare(&args),
            Command::Bench(args) => bench::bench(&args),
            Command::List(args)
            | Command::Compare(CompareCommand { beside: Some(Beside::List(args)), .. }) => {
                list::list(&args)
            }
            Command::Explain(args)
            | Command::Compare(CompareCommand { beside: Some(Beside::Explain(args)), .. }) => {
                explain::explain(&args)
            }
            Command::Doctor(args)
            | Command::Compare(CompareCommand { beside: Some(Beside::Doctor(args)), .. }) => {
                doctor::doctor(&args)
            }
            Command::Ci(args) => ci::ci(&args),
            Command::Tidy => tidy::tidy(),
            Command::Verify(args) => verify::verify(&args),
        }
    }
}
