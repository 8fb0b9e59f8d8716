//! The program of a node: its command line, what signals do to it, and how it ends.
//!
//! The functions that a node executes are code of its program, so there is no program for all: each has a
//! `main` of its own, which is one line ([`main`]).

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::io::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, signal_name};

use super::super::cluster::Cluster;
use super::super::task::Registry;
use super::leave::Leave;

/// It was told to end, and has delivered what it had begun.
const DRAINED: u8 = 0;

/// It could not start, or had to end.
const FAILED: u8 = 1;

/// Its command line is wrong.
const WRONG_USE: u8 = 2;

/// It was told to end, and has left calls to other nodes.
const CALLS_LEFT: u8 = 3;

/// Where the cluster is, if the command line does not say so: it may hold a password, which others
/// can read on a command line. NATS's own tools look there, too.
const URL_VARIABLE: &str = "NATS_URL";

/// What `--help` prints, after the name of the program.
const HELP: &str = "\
[OPTIONS] [URL]

Executes the calls of a cluster, with worker processes of this program, until it is told to end.

URL is where the brokers are: nats://host:4222 or tls://host:4222, several with commas in between;
without it, the variable NATS_URL says so (other users do not see a password there).

      --slots N           workers (as many as this process may use processors)
      --namespace NAME    separates users of the same brokers (triptych)
      --credentials FILE  a .creds file
      --ca FILE           certificates (PEM) of authorities to trust, instead of those of the system
      --cert FILE         the certificate (PEM) of this node, together with --key
      --key FILE          its key
      --insecure          allow brokers elsewhere without TLS or credentials
      --replicas N        on how many brokers calls are stored, if nobody was here before (1)
      --lease SECONDS     how long a node may be silent, if nobody was here before (15)
      --drain SECONDS     how long calls that were begun may take when it is to end (no limit)
      --list              print the names of the functions that it has, and end
  -h, --help              print this, and end

SIGINT (Ctrl-C) and SIGTERM let it take no more calls, and end when those that it has begun are
executed and their results have arrived; a second one ends it at once. It says what it does on
standard error.

Exit codes: 0 it was told to end, and has left nothing; 1 it could not start, or had to end; 2 wrong
use; 3 it was told to end, and has left calls to other nodes. A second signal is how it ends then.
";

/// The `main` of a node program: serves as the command line says (`--help`), drains when it is told to
/// end, and says how that went.
///
/// ```no_run
/// processes::task! {
///     fn square(x: u64) -> u64 {
///         x * x
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     processes::node::main()
/// }
/// ```
///
/// The functions have to be in the program. Where they are declared in a library that nothing else of the
/// program mentions, the linker may leave them out: `--list` says which there are, and `use library as _;`
/// brings them in.
pub fn main() -> ExitCode {
    ExitCode::from(main_with(env::args_os().skip(1)))
}

/// As [`main`], with these arguments instead of those of the process, for a program that has other things
/// to do as well; returns the exit code.
///
/// From its start on, SIGINT and SIGTERM are handled here; call it once, and end the program with what it
/// returns.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    crate::init();
    match parse(arguments, env::var_os(URL_VARIABLE)) {
        Ok(Request::Help) => print(&format!("{} {HELP}", name())),
        Ok(Request::List) => list(),
        Ok(Request::Serve(cluster, slots)) => serve(&cluster, slots),
        Err(error) => {
            say(&format!("{error}; --help says how to use it"));
            WRONG_USE
        }
    }
}

/// What the command line asks for.
#[derive(Debug)]
enum Request {
    /// How to use it.
    Help,
    /// The names of its functions.
    List,
    /// To serve this cluster with so many workers.
    Serve(Box<Cluster>, usize),
}

/// What these arguments ask for, and this value of [`URL_VARIABLE`].
fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variable: Option<OsString>,
) -> Result<Request, lexopt::Error> {
    let mut parser = Parser::from_args(arguments.into_iter().collect::<Vec<_>>());
    let (mut url, mut slots) = (None, thread::available_parallelism().map_or(1, NonZero::get));
    let (mut certificate, mut key) = (None::<PathBuf>, None::<PathBuf>);
    let mut cluster = Cluster::new("").logged(say);
    while let Some(argument) = parser.next()? {
        cluster = match argument {
            Short('h') | Long("help") => return Ok(Request::Help),
            Long("list") => return Ok(Request::List),
            Long("slots") => {
                slots = parser.value()?.parse::<NonZero<usize>>()?.get();
                cluster
            }
            Long("namespace") => cluster.namespace(parser.value()?.string()?),
            Long("credentials") => cluster.credentials(parser.value()?),
            Long("ca") => cluster.root_certificates(parser.value()?),
            Long("cert") => {
                certificate = Some(parser.value()?.into());
                cluster
            }
            Long("key") => {
                key = Some(parser.value()?.into());
                cluster
            }
            Long("insecure") => cluster.insecure(),
            Long("replicas") => cluster.replicas(parser.value()?.parse()?),
            Long("lease") => cluster.lease(seconds(&mut parser)?),
            Long("drain") => cluster.drain(seconds(&mut parser)?),
            Value(place) if url.is_none() => {
                url = Some(place);
                cluster
            }
            other => return Err(other.unexpected()),
        };
    }
    cluster = match (certificate, key) {
        (Some(certificate), Some(key)) => cluster.identity(certificate, key),
        (None, None) => cluster,
        _ => return Err("--cert and --key belong together".into()),
    };
    let url = url.or(variable).filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| format!("no URL is given, and {URL_VARIABLE} is not set"))?;
    Ok(Request::Serve(Box::new(cluster.at(url.string()?)), slots))
}

/// A time, as a number of seconds.
fn seconds(parser: &mut Parser) -> Result<Duration, lexopt::Error> {
    Ok(Duration::from_secs(parser.value()?.parse()?))
}

/// Serves until it is told to end.
fn serve(cluster: &Cluster, slots: usize) -> u8 {
    let told = Arc::new(Told::default());
    if let Err(error) = told.listen() {
        say(&format!("failed to handle signals: {error}"));
        return FAILED;
    }
    let node = match cluster.node(slots) {
        Ok(node) => node,
        Err(error) => {
            say(&format!("failed to start: {error}"));
            return FAILED;
        }
    };
    let leave = Arc::clone(&node.leave);
    told.attach(&leave);
    say(&format!("serves {} with {slots} workers", node.place));
    let (Ok(()) | Err(_)) = node.wait();
    let (code, words) = how(leave.end());
    say(&words);
    code
}

/// The exit code of a node that has ended like this, and what is said about it.
fn how(end: Result<usize, String>) -> (u8, String) {
    match end {
        Err(why) => (FAILED, format!("failed to go on: {why}")),
        Ok(0) => (DRAINED, "ended; all results have arrived".to_owned()),
        Ok(left) => (CALLS_LEFT, format!("ended; other nodes have to execute {left} calls")),
    }
}

/// What signals do.
#[derive(Debug, Default)]
struct Told {
    /// The node, from its start on; without one, a signal does what it does where nobody handles it.
    leave: Mutex<Option<Arc<Leave>>>,
}

impl Told {
    /// Starts a thread that waits for signals.
    ///
    /// # Errors
    /// No descriptors or threads are left.
    fn listen(self: &Arc<Self>) -> io::Result<()> {
        let (told, mut signals) = (Arc::clone(self), Signals::new([SIGINT, SIGTERM])?);
        let listen = move || signals.forever().for_each(|signal| told.act(signal));
        thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
    }

    /// A node is there.
    fn attach(&self, leave: &Arc<Leave>) {
        *self.leave.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(leave));
    }

    /// The first signal lets the node drain; any other one ends the program, whose workers end with it.
    fn act(&self, signal: i32) {
        let leave = self.leave.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(leave) = leave
            && !leave.is_told()
        {
            let name = signal_name(signal).unwrap_or("a signal");
            say(&format!("{name}: takes no more calls, and ends after those that it has begun"));
            leave.tell();
        } else {
            // It fails only for a signal that does not exist.
            let (Ok(()) | Err(_)) = emulate_default_handler(signal);
        }
    }
}

/// Prints the names of all functions.
fn list() -> u8 {
    match Registry::get() {
        Ok(registry) => {
            let mut names: Vec<_> = registry.names().collect();
            names.sort_unstable();
            print(&names.iter().fold(String::new(), |mut text, name| {
                let (Ok(()) | Err(_)) = writeln!(text, "{name}");
                text
            }))
        }
        Err(why) => {
            say(&why);
            FAILED
        }
    }
}

/// Prints what was asked for; the exit code.
fn print(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => DRAINED,
        Err(error) => {
            say(&format!("failed to print: {error}"));
            FAILED
        }
    }
}

/// Says what happens, on standard error; where that is closed, nobody wants to know.
fn say(what: &str) {
    let (Ok(()) | Err(_)) = writeln!(io::stderr(), "{}: {what}", name());
}

/// The name of the program.
fn name() -> String {
    let path = env::args_os().next().map(PathBuf::from);
    let name = path.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    name.unwrap_or_else(|| "node".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these words ask for, with this in the environment.
    fn asked(words: &str, variable: Option<&str>) -> Result<(Cluster, usize), String> {
        let words = words.split_whitespace().map(OsString::from);
        match parse(words, variable.map(OsString::from)) {
            Ok(Request::Serve(cluster, slots)) => Ok((*cluster, slots)),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn everything_can_be_said() {
        let line = "--slots 3 --namespace team --lease 7 --drain 9 --replicas 3 tls://b1,tls://b2 \
                    --credentials a.creds --ca ca.pem --cert node.pem --key node.key";
        let (cluster, slots) = asked(line, Some("nats://elsewhere")).unwrap();
        assert_eq!((slots, cluster.namespace.as_str(), cluster.replicas), (3, "team", 3));
        let text = format!("{cluster:?}");
        for part in ["tls://b1,tls://b2", "a.creds", "ca.pem", "node.pem", "node.key", "7s", "9s"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("elsewhere") && text.contains("insecure: false"), "{text}");
        let (cluster, slots) = asked("--insecure", Some("nats://elsewhere")).unwrap();
        assert!(format!("{cluster:?}").contains("insecure: true") && slots > 0, "{cluster:?}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, words) in [
            ("", "no URL is given, and NATS_URL is not set"),
            ("--slots 0 nats://a", "cannot parse argument"),
            ("--slots", "missing argument"),
            ("--cert a.pem nats://a", "belong together"),
            ("--loud nats://a", "--loud"),
            ("nats://a nats://b", "nats://b"),
            ("nats://a --list", "List"),
            ("nats://a -h", "Help"),
        ] {
            let found = asked(line, Some("")).unwrap_err();
            assert!(found.contains(words), "{line}: {found}");
        }
    }

    #[test]
    fn a_node_that_cannot_go_on_is_a_failure() {
        let leave = Leave::default();
        assert_eq!(how(leave.end()), (1, "failed to go on: its thread has panicked".to_owned()));
        leave.ended(Err("a task has ended".to_owned()));
        assert_eq!(how(leave.end()), (1, "failed to go on: a task has ended".to_owned()));
        assert_eq!(how(Ok(0)).0, 0);
        assert_eq!(how(Ok(2)).0, 3);
    }

    #[test]
    fn the_help_names_every_option() {
        let source = include_str!("program.rs");
        let parts = source.split("Long(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let options: Vec<_> = parts.filter(|name| name.len() > 1 && !name.contains(')')).collect();
        assert!(options.len() == 12, "{options:?}");
        for option in options {
            assert!(HELP.contains(&format!("--{option} ")), "{option}");
        }
    }
}
