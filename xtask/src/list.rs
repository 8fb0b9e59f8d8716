//! `cargo xtask list`: what there is to compare, and with what.

use clap::Args;
use common::workload;

use crate::{
    cli::Color,
    compare::report::{Look, Page, Terminal},
    error::Result,
    exit::Exit,
    host::{self, Directory},
    workspace::Workspace,
};

/// What `list` takes.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListArgs {
    /// Only the workloads: lanes are found by asking their hosts, which are built first.
    #[arg(long)]
    pub workloads: bool,
    /// Whether to use colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// Shows the workloads, then the lanes.
///
/// # Errors
/// When the lane hosts cannot be built or asked.
pub fn list(args: &ListArgs) -> Result<Exit> {
    let terminal = Terminal::of_stdout(args.color);
    terminal.print(&workloads(&terminal))?;
    if args.workloads {
        return Ok(Exit::Ok);
    }
    let workspace = Workspace::find();
    let built = host::build(&workspace)?;
    let directory = Directory::ask(&workspace, &built)?;
    terminal.print(&lanes(&terminal, &directory))?;
    Ok(Exit::Ok)
}

/// The workloads with their questions.
fn workloads(terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    page.heading("Workloads (cargo xtask explain NAME says more)");
    let width = workload::ALL.iter().map(|workload| workload.id().len()).max().unwrap_or(0);
    for workload in workload::ALL {
        page.item(&format!("  {:<width$}  ", workload.id()), Look::Strong, workload.question());
    }
    page.finish()
}

/// The lanes with what they are, by host; then what was not found.
fn lanes(terminal: &Terminal, directory: &Directory) -> String {
    let mut page = Page::new(terminal);
    let width = directory.lanes().map(|lane| lane.name.len()).max().unwrap_or(0);
    for host in &directory.hosts {
        page.paragraph(0, "");
        page.item("", Look::Strong, &format!("Lanes of {} ({})", host.name, host.runtime));
        for lane in &host.lanes {
            page.item(&format!("  {:<width$}  ", lane.name), Look::Strong, &lane.what);
        }
    }
    if !directory.missing.is_empty() {
        page.heading("Missing");
        for missing in &directory.missing {
            page.item("  - ", Look::Plain, missing);
        }
    }
    page.finish()
}
