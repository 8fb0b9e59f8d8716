//! What the command line asks for.
//!
//! With lexopt rather than clap: wrong use is answered with exactly one line, which a parent that
//! collects standard error can show as it is, and the stub builds in a moment.

use std::{ffi::OsString, num::NonZeroU32, str::FromStr, time::Duration};

use common::site::{Site, SiteError, SiteSpec};
use lexopt::{
    Arg::{Long, Short, Value},
    Parser, ValueExt as _,
};
use thiserror::Error;

/// The answer to `--help`.
pub(crate) const USAGE: &str = "\
Serves a generated web site on 127.0.0.1 until standard input ends.

Usage: load site --seed N --pages N --hosts N --median-us N [OPTIONS]

  --seed N             what every page, latency and error is derived from
  --pages N            how many pages the site has
  --hosts N            how many virtual hosts share them
  --median-us N        half of the answers take longer than this, in microseconds

  --sigma F            spread of the lognormal latency (default 0.5)
  --error-permille N   pages of a thousand that fail at first (default 20)
  --per-host N         requests of one host in flight before 429 (default 8)
  --help               print this

Once it listens it prints one line, {\"ready\":true,\"addr\":\"127.0.0.1:PORT\"}.
Exit codes: 0 standard input ended, 1 error, 2 wrong use.
";

/// The spread that latencies of web services are commonly given.
const DEFAULT_SIGMA: f64 = 0.5;

/// Two of a hundred pages.
const DEFAULT_ERROR_PERMILLE: u32 = 20;

/// What crawlers commonly allow themselves.
const DEFAULT_PER_HOST: NonZeroU32 = NonZeroU32::new(8).expect("8 is not 0");

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print [`USAGE`].
    Help,
    /// Serve a site.
    Site {
        /// The site.
        site: Site,
        /// How many requests of one virtual host may be in flight.
        per_host: NonZeroU32,
    },
}

/// Why a command line is refused.
#[derive(Debug, Error)]
pub(crate) enum UsageError {
    /// There is nothing on it.
    #[error("find a command: the only one is `site`")]
    NoCommand,
    /// It starts with something else than a command.
    #[error("run `{0}`: the only command is `site`")]
    UnknownCommand(String),
    /// An option that must be there is not.
    #[error("find the option {0}")]
    Missing(&'static str),
    /// The value of an option is not of its kind.
    #[error("read the value of {option}: {error}")]
    Value {
        /// The option.
        option: &'static str,
        /// What is wrong with its value.
        error: lexopt::Error,
    },
    /// An option that does not exist, or an argument too many.
    #[error("read the arguments: {0}")]
    Unexpected(#[from] lexopt::Error),
    /// A number outside its limits.
    #[error(transparent)]
    Site(#[from] SiteError),
}

/// The options of `site`, as far as they were given; the last one wins.
#[derive(Debug, Default)]
struct Options {
    /// `--seed`
    seed: Option<u64>,
    /// `--pages`
    pages: Option<u32>,
    /// `--hosts`
    hosts: Option<u32>,
    /// `--median-us`
    median_us: Option<u64>,
    /// `--sigma`
    sigma: Option<f64>,
    /// `--error-permille`
    error_permille: Option<u32>,
    /// `--per-host`
    per_host: Option<NonZeroU32>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments.collect::<Vec<_>>());
    match parser.next()? {
        None => return Err(UsageError::NoCommand),
        Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(Value(command)) if command == "site" => {}
        Some(Value(command)) => {
            return Err(UsageError::UnknownCommand(command.to_string_lossy().into_owned()));
        }
        Some(option) => return Err(option.unexpected().into()),
    }
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("seed") => options.seed = value(&mut parser, "--seed")?,
            Long("pages") => options.pages = value(&mut parser, "--pages")?,
            Long("hosts") => options.hosts = value(&mut parser, "--hosts")?,
            Long("median-us") => options.median_us = value(&mut parser, "--median-us")?,
            Long("sigma") => options.sigma = value(&mut parser, "--sigma")?,
            Long("error-permille") => {
                options.error_permille = value(&mut parser, "--error-permille")?;
            }
            Long("per-host") => options.per_host = value(&mut parser, "--per-host")?,
            other => return Err(other.unexpected().into()),
        }
    }
    options.command()
}

impl Options {
    /// The command these options describe, defaults filled in.
    fn command(self) -> Result<Command, UsageError> {
        let site = Site::new(SiteSpec {
            seed: self.seed.ok_or(UsageError::Missing("--seed"))?,
            pages: self.pages.ok_or(UsageError::Missing("--pages"))?,
            hosts: self.hosts.ok_or(UsageError::Missing("--hosts"))?,
            median_latency: Duration::from_micros(
                self.median_us.ok_or(UsageError::Missing("--median-us"))?,
            ),
            sigma: self.sigma.unwrap_or(DEFAULT_SIGMA),
            error_permille: self.error_permille.unwrap_or(DEFAULT_ERROR_PERMILLE),
        })?;
        Ok(Command::Site { site, per_host: self.per_host.unwrap_or(DEFAULT_PER_HOST) })
    }
}

/// The value of the option just read.
fn value<T>(parser: &mut Parser, option: &'static str) -> Result<Option<T>, UsageError>
where
    T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let read = parser.value().and_then(|value| value.parse());
    read.map(Some).map_err(|error| UsageError::Value { option, error })
}
