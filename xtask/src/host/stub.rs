//! The upstream stub: a process of its own that serves the site to crawl.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use common::site::Site;
use serde::Deserialize;

use crate::error::{Error, Result};

/// A running stub; dropping it ends it and waits for it.
#[derive(Debug)]
pub struct Stub {
    /// The process; it ends at the end of its standard input.
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What the stub says when it is ready.
#[derive(Deserialize)]
struct Ready {
    /// Where it listens.
    addr: SocketAddr,
}

impl Stub {
    /// Starts `program` to serve `site`.
    ///
    /// # Errors
    /// When it does not start or does not say where it listens.
    pub fn start(program: &Path, site: &Site) -> Result<Self> {
        let cannot = |why: &dyn std::fmt::Display| {
            Error::failed(format!("failed to start the upstream stub: {why}"))
        };
        let spec = site.spec();
        let numbers = [
            ("--seed", spec.seed.to_string()),
            ("--pages", spec.pages.to_string()),
            ("--hosts", spec.hosts.to_string()),
            ("--median-us", spec.median_latency.as_micros().to_string()),
            ("--sigma", spec.sigma.to_string()),
            ("--error-permille", spec.error_permille.to_string()),
        ];
        let mut command = Command::new(program);
        command.arg("site").args(numbers.iter().flat_map(|(name, number)| [name, number.as_str()]));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| cannot(&error))?;
        let output = child.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let ready = read.map_err(|error| error.to_string()).and_then(|_| {
            serde_json::from_str::<Ready>(&line).map_err(|_| format!("it said {line:?}"))
        });
        match ready {
            Ok(ready) => Ok(Self { child, address: ready.addr }),
            Err(why) => {
                end(&mut child);
                Err(cannot(&why))
            }
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Closes its standard input, which ends it, then makes sure and waits.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    child.kill().ok();
    child.wait().ok();
}
