//! The keeper: starts a broker, says where it is, and removes what is left of it.

use std::{
    fs,
    io::{Read as _, Write as _, stdin, stdout},
    path::Path,
    process::{Child, ExitCode, Stdio, id},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::broker::{self, Up, itself};

/// The first argument of a keeper.
pub(crate) const ROLE: &str = "--cluster-keeper";

/// How long a broker may take to listen.
const START: Duration = Duration::from_secs(30);

/// Keeps a broker until the end of standard input.
pub(crate) fn keep() -> ExitCode {
    let kept = tempfile::Builder::new().prefix("triptych-cluster-").tempdir();
    let kept = kept.map_err(|error| format!("failed to make a folder for a broker: {error}"));
    let kept = kept.and_then(|folder| {
        let mut server = start(folder.path())?;
        match listens(&mut server, folder.path()) {
            Ok(url) => Ok((server, folder, url)),
            Err(why) => {
                end(&mut server);
                Err(why)
            }
        }
    });
    let said = kept.as_ref().map(|(server, folder, url)| Up {
        url: url.clone(),
        pid: server.id(),
        folder: folder.path().to_owned(),
    });
    let line = serde_json::to_string(&said).expect("it has no maps");
    let heard = writeln!(stdout(), "{line}");
    let Ok((mut server, folder, _)) = kept else { return ExitCode::FAILURE };
    if heard.is_ok() {
        // An end that is an error is an end, too.
        stdin().read_to_end(&mut Vec::new()).ok();
    }
    end(&mut server);
    match folder.close() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to remove the folder of a broker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a process that becomes a broker.
fn start(folder: &Path) -> Result<Child, String> {
    let mut command = itself();
    command.args([broker::ROLE, &id().to_string()]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| format!("failed to start a broker: {error}"))
}

/// Ends a broker, and waits for it.
fn end(server: &mut Child) {
    server.kill().ok();
    server.wait().ok();
}

/// What a broker writes down.
#[derive(Deserialize)]
struct Ports {
    /// Where it takes connections of clients.
    nats: Vec<String>,
}

/// Waits until a broker listens; where it does.
fn listens(server: &mut Child, folder: &Path) -> Result<String, String> {
    let file = folder.join(format!("nats-server_{}.ports", server.id()));
    let deadline = Instant::now() + START;
    loop {
        // It may have been written in part.
        let ports = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(Ports { nats }) = ports
            && let Some(url) = nats.first()
        {
            return Ok(url.clone());
        }
        let ended = server.try_wait().is_ok_and(|status| status.is_some());
        if ended || Instant::now() >= deadline {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let last = log.lines().last().unwrap_or("nothing");
            return Err(format!("the broker does not listen; its last words: {last}"));
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}
