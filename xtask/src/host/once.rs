//! A program that is asked one thing.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::process::{HostError, Process, shortened};

/// Starts a command that prints one line of JSON and ends; what it printed. Whatever happens, it has
/// ended and was waited for when this returns.
///
/// # Errors
/// Whatever the program did instead, within `limit`; never [`HostError::Refused`] nor
/// [`HostError::OutOfTurn`].
pub fn ask_once<T: DeserializeOwned>(
    command: &mut Command,
    limit: Duration,
) -> Result<T, HostError> {
    let mut process = Process::start(command.stdin(Stdio::null()))?;
    let line = process.line(limit)?;
    let answer = serde_json::from_str(&line).map_err(|_| HostError::Rubbish(shortened(&line)))?;
    // An answer of a program that then crashed is none.
    process.end_well()?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell script answers.
    fn said(script: &str) -> Result<u32, HostError> {
        ask_once(Command::new("sh").args(["-c", script]), Duration::from_secs(30))
    }

    #[test]
    fn an_answer_counts_only_from_a_program_that_ends_well() {
        assert_eq!(said("echo 7"), Ok(7));
        let ended = |how: &str, said: &[&str]| HostError::Ended {
            how: how.into(),
            said: said.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(said("echo 7; exit 3"), Err(ended("exited with code 3", &[])));
        assert_eq!(said("echo no >&2; exit 1"), Err(ended("exited with code 1", &["no"])));
        assert_eq!(said("echo 7; kill -9 $$"), Err(ended("died of SIGKILL", &[])));
        assert_eq!(said("echo seven; echo 7"), Err(HostError::Rubbish("seven".into())));
    }

    #[test]
    fn a_program_that_says_nothing_is_killed() {
        let limit = Duration::from_millis(1);
        let answer = ask_once::<u32>(Command::new("tail").args(["-f", "/dev/null"]), limit);
        assert_eq!(answer, Err(HostError::Timeout(limit)));
    }
}
