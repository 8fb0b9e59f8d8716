//! What a comparison shows: the answer first, then the matrix, then how it was made.

mod progress;

use crate::{cli::CompareArgs, error::Result};

use super::{folder::Folder, record::Run};

pub use progress::Progress;

/// Checks `--export` and `--splice` before anything is measured.
///
/// # Errors
/// A usage error.
pub fn check_exports(_args: &CompareArgs) -> Result<()> {
    Ok(())
}

/// Shows the run on standard output and writes what else was asked for.
///
/// # Errors
/// When a file cannot be written.
pub fn show(run: &Run, folder: &Folder, _args: &CompareArgs) -> Result<()> {
    for answer in &run.answers {
        println!(
            "{} ({} {})\n  {}\n  {}",
            answer.task, answer.workload, answer.point, answer.text, answer.why
        );
    }
    for claim in &run.claims {
        println!("{:?}: {}\n    {}", claim.finding, claim.says, claim.evidence);
    }
    for cell in run.cells.iter().filter(|cell| cell.verify.problem.is_some()) {
        println!("{} {} {}: {:?}", cell.workload, cell.point, cell.lane, cell.verify.problem);
    }
    println!("{:?} {}", run.noise, folder.path().display());
    Ok(())
}
