//! `cargo xtask list`: what there is to compare, and with what.

use clap::Args;
use common::workload;

use crate::{
    cli::Color,
    compare::report::{Look, Page, Terminal},
    error::Result,
    exit::Exit,
    explain::misbehaviour,
    host::{self, Directory},
    workspace::Workspace,
};

/// What `list` takes.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListArgs {
    /// Only the workloads: lanes are found by asking their hosts, which are built first.
    #[arg(long)]
    pub workloads: bool,
    /// Each of the workloads that only check the harness, too.
    #[arg(long)]
    pub all: bool,
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
    terminal.print(&workloads(&terminal, args.all))?;
    if args.workloads {
        return Ok(Exit::Ok);
    }
    let workspace = Workspace::find();
    let mut built = host::build(&workspace)?;
    let absent = host::peer_hosts(&workspace)?;
    built.absent = absent.iter().filter_map(|host| host.absent(None)).collect();
    let directory = Directory::ask(&workspace, &built)?;
    terminal.print(&lanes(&terminal, &directory))?;
    Ok(Exit::Ok)
}

/// The workloads with their questions; those that only check the harness in one line, unless all
/// of them are to be shown.
fn workloads(terminal: &Terminal, all: bool) -> String {
    let mut page = Page::new(terminal);
    page.heading("Workloads (cargo xtask explain NAME says more)");
    let dummies = || workload::ALL.iter().filter_map(|workload| misbehaviour::of(workload.id()));
    let comparisons = workload::ALL
        .iter()
        .filter(|workload| misbehaviour::of(workload.id()).is_none())
        .map(|workload| (workload.id().to_owned(), workload.question().to_owned()));
    let mut lines: Vec<(String, String)> = comparisons.collect();
    if all {
        let each = dummies().map(|(id, dummy)| {
            (id.to_owned(), format!("{}: does the harness notice?", misbehaviour::says(dummy)))
        });
        lines.extend(each);
    } else {
        let question = format!(
            "is a lane host that misbehaves noticed? ({} ways: list --all)",
            dummies().count()
        );
        lines.push((format!("{}*", misbehaviour::FAMILY), question));
    }
    let width = lines.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
    for (id, question) in lines {
        page.item(&format!("  {id:<width$}  "), Look::Strong, &question);
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
    if !directory.not_built.is_empty() {
        page.heading(
            "Lanes of other runtimes and of clusters, built when asked for (compare --peers)",
        );
        page.paragraph(2, &directory.not_built.join(", "));
    }
    if !directory.missing.is_empty() {
        page.heading("Missing");
        for missing in &directory.missing {
            page.item("  - ", Look::Plain, missing);
        }
    }
    page.finish()
}
