//! What a comparison shows: the answer first, then the matrix, then how it was made.

mod answers;
mod closing;
mod efficiency;
mod entry;
mod footnotes;
mod grid;
mod layout;
mod markdown;
mod matrix;
mod outputs;
mod progress;
mod remarks;
mod samples;
mod table;
mod terminal;
#[cfg(test)]
mod tests;

use std::{fs, path::PathBuf};

use crate::{
    cli::MessageFormat,
    error::{Error, Result},
};

use super::{
    folder::{Folder, RUN},
    record::Run,
};

pub use outputs::Outputs;
pub use progress::Progress;

pub(crate) use closing::results;
pub(crate) use layout::{Look, Page};
pub(crate) use markdown::escape;
pub(crate) use terminal::Terminal;

/// Writes `samples.csv` and what else was asked for, and shows the run on standard output; `saved` is what
/// became of saving it.
///
/// # Errors
/// When a file cannot be written, or the run was not saved; it has been shown then.
pub fn show(run: &Run, folder: &Folder, saved: Result<()>, outputs: &Outputs) -> Result<()> {
    let table = folder.file("samples.csv");
    let tabled = samples::csv(run).and_then(|text| fs::write(&table, text));
    let mut files = Vec::new();
    if saved.is_ok() {
        files.push(folder.file(RUN));
    }
    if tabled.is_ok() {
        files.push(table.clone());
    }
    let (written, exported) = outputs.write(run);
    files.extend(written);
    let terminal = Terminal::of_stdout(outputs.color);
    terminal.print(&match outputs.message_format {
        MessageFormat::Human => render(run, &terminal, &files),
        MessageFormat::Json => {
            let json = serde_json::to_string_pretty(run);
            json.map_err(|error| Error::failed(format!("failed to print the run: {error}")))? + "\n"
        }
    })?;
    if let Some(document) = outputs.not_spliced(run) {
        let document = document.display();
        anstream::eprintln!("note: {document} is left as it was: the results are partial");
    }
    saved?;
    tabled.map_err(Error::io("save the samples to", &table))?;
    exported
}

/// The report.
fn render(run: &Run, terminal: &Terminal, files: &[PathBuf]) -> String {
    let mut page = Page::new(terminal);
    for remark in remarks::on_top(run) {
        page.item("", Look::Unsure, &remark);
    }
    answers::answers(&mut page, run);
    answers::claims(&mut page, run);
    if !run.cells.is_empty() {
        matrix::matrix(&mut page, run);
    }
    efficiency::efficiency(&mut page, run);
    closing::closing(&mut page, run, files);
    page.finish()
}
