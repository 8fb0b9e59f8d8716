//! The command line of a bench program.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    panic,
    process::ExitCode,
    thread,
};

use lexopt::Arg::Long;

use crate::{
    dummy,
    metric::{Costs, Counted, Listing, Metric, Offer},
    slices,
};

/// The version of what programs and `cargo xtask bench` say to each other.
const VERSION: u32 = 4;

/// The exit code for wrong arguments.
const WRONG_USE: u8 = 2;

/// What the program is asked.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// What there is to measure.
    List,
    /// What follows from these costs.
    Conclude {
        /// As JSON.
        costs: String,
    },
    /// One sample.
    Sample {
        /// The name of the metric.
        metric: String,
        /// The name of the contender.
        contender: String,
        /// How much of it.
        units: u64,
    },
    /// Slices of several contenders by turns.
    Slices {
        /// The name of the metric.
        metric: String,
        /// The names of the contenders.
        contenders: Vec<String>,
        /// How much of it each slice has.
        units: u64,
        /// How many of each contender.
        slices: usize,
    },
}

/// Does what the command line says: lists these metrics of `model`, or takes a sample of one.
///
/// `metrics` is given the number of workers that pools are to have; `counted` are those of them whose
/// instructions are counted.
pub fn main<O: Into<Offer>>(
    model: &str,
    metrics: impl FnOnce(usize) -> O,
    counted: &[Counted],
) -> ExitCode {
    end_with_parent();
    // One line, the last one: it is shown as the reason why there is no sample.
    panic::set_hook(Box::new(|panic| eprintln!("{}", panic.to_string().replace('\n', " "))));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let Offer { mut metrics, absent, conclusion } = metrics(workers).into();
    metrics.extend(dummy::metrics());
    let counted = [counted, &dummy::COUNTED].concat();
    let answer = parse(env::args_os().skip(1)).and_then(|request| match request {
        Request::List => {
            let (metrics, counted, absent) = (&metrics, &counted, &absent);
            let listing = Listing { version: VERSION, model, workers, metrics, counted, absent };
            Ok(serde_json::to_string(&listing))
        }
        Request::Conclude { costs } => {
            let costs = serde_json::from_str(&costs);
            let costs: Costs = costs.map_err(|error| format!("--conclude: {error}"))?;
            Ok(serde_json::to_string(&conclusion.and_then(|conclusion| conclusion(&costs))))
        }
        Request::Sample { metric, contender, units } => {
            let found = named(&metrics, &metric)?;
            let contender = found
                .contender(&contender)
                .ok_or_else(|| format!("{metric} has no contender {contender}"))?;
            Ok(serde_json::to_string(&contender.run(units)))
        }
        Request::Slices { metric, contenders, units, slices } => {
            let taken = slices::take(named(&metrics, &metric)?, &contenders, units, slices)?;
            Ok(serde_json::to_string(&taken))
        }
    });
    match answer {
        Ok(json) => print(&json.expect("what is said has no maps with other keys than strings")),
        Err(error) => {
            eprintln!("{model}-bench: {error}; see the documentation of the package sampler");
            ExitCode::from(WRONG_USE)
        }
    }
}

/// The metric with this name.
fn named<'a>(metrics: &'a [Metric], name: &str) -> Result<&'a Metric, String> {
    let found = metrics.iter().find(|found| found.name == name);
    found.ok_or_else(|| format!("there is no metric {name}"))
}

/// Prints one line.
fn print(line: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to print the answer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut metric, mut contender) = (None::<String>, None::<String>);
    let (mut units, mut slices) = (None, None);
    let text = |parser: &mut lexopt::Parser| {
        parser.value().and_then(lexopt::ValueExt::string).map_err(|error| error.to_string())
    };
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("list") => return Ok(Request::List),
            Long("conclude") => return Ok(Request::Conclude { costs: text(&mut parser)? }),
            Long("metric") => metric = Some(text(&mut parser)?),
            Long("contender") => contender = Some(text(&mut parser)?),
            Long("units") => units = Some(above_zero("units", &text(&mut parser)?)?),
            Long("slices") => {
                let number = above_zero("slices", &text(&mut parser)?)?;
                slices = Some(usize::try_from(number).map_err(|error| error.to_string())?);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    match (metric, contender, units, slices) {
        (Some(metric), Some(contender), Some(units), None) => {
            Ok(Request::Sample { metric, contender, units })
        }
        (Some(metric), Some(contenders), Some(units), Some(slices)) => {
            let contenders = contenders.split(',').map(Into::into).collect();
            Ok(Request::Slices { metric, contenders, units, slices })
        }
        _ => Err("--metric, --contender and --units belong together".into()),
    }
}

/// The number that an option was given.
fn above_zero(option: &str, value: &str) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("--{option} {value}: not above zero"))
}

/// Has the kernel end this process when the one that started it is gone, so that a sample that hangs
/// does not outlive its harness.
#[cfg(target_os = "linux")]
fn end_with_parent() {
    // A refusal changes nothing about the sample.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).ok();
}

/// Not supported on this platform.
#[cfg(not(target_os = "linux"))]
fn end_with_parent() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses these words.
    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn requests_are_understood() {
        assert_eq!(parsed("--list"), Ok(Request::List));
        assert_eq!(parsed("--conclude {}"), Ok(Request::Conclude { costs: "{}".into() }));
        let sample = Request::Sample { metric: "a".into(), contender: "b".into(), units: 3 };
        assert_eq!(parsed("--metric a --contender b --units 3"), Ok(sample));
        let slices = Request::Slices {
            metric: "a".into(),
            contenders: vec!["b".into(), "c".into()],
            units: 3,
            slices: 4,
        };
        assert_eq!(parsed("--metric a --contender b,c --units 3 --slices 4"), Ok(slices));
    }

    #[test]
    fn wrong_use_is_refused() {
        for (line, words) in [
            ("", "belong together"),
            ("--metric a --units 3", "belong together"),
            ("--metric a --contender b --units 0", "--units 0"),
            ("--metric a --contender b --units x", "--units x"),
            ("--metric a --contender b --units 1 --slices 0", "--slices 0"),
            ("--metric a --contender b --slices 2", "belong together"),
            ("--loud", "--loud"),
        ] {
            assert!(parsed(line).unwrap_err().contains(words), "{line}");
        }
    }
}
