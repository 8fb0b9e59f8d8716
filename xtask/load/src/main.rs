//! `load`: serves a site until standard input ends.

mod arguments;

use std::{
    env,
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use self::arguments::{Command, USAGE};

/// The exit code for wrong arguments, as the shell's own commands use it.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let (site, per_host) = match arguments::parse(env::args_os().skip(1)) {
        Ok(Command::Site { site, per_host }) => (site, per_host),
        Ok(Command::Help) => {
            return ended(io::stdout().write_all(USAGE.as_bytes()));
        }
        Err(error) => {
            complain(&format!("{error}; see `load --help`"));
            return ExitCode::from(WRONG_USE);
        }
    };
    ended(load::serve_until_stdin_ends(site, per_host, say_ready))
}

/// Tells the parent where the server listens.
fn say_ready(addr: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, r#"{{"ready":true,"addr":"{addr}"}}"#)?;
    stdout.flush()
}

/// The exit code of a command that ran, its error reported.
fn ended(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what failed, if there is still somebody reading it.
fn complain(what: &str) {
    writeln!(io::stderr(), "load: failed to {what}").ok();
}
