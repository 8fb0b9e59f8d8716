//! `cargo xtask doctor`: whether this machine is fit to measure on, and what to do about it.

mod checks;
mod facts;

use clap::Args;

use crate::{
    cli::Color,
    compare::report::{Look, Page, Terminal},
    error::Result,
    exit::Exit,
    workspace::Workspace,
};

use self::{
    checks::{Check, State, checks},
    facts::Facts,
};

/// What `doctor` takes.
#[derive(Clone, Copy, Debug, Args)]
pub struct DoctorArgs {
    /// Whether to use colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// Looks at the machine for about half a second and says what it found. Warnings are no failure:
/// `compare` works, and says so where a result suffers.
///
/// # Errors
/// When the report cannot be printed.
pub fn doctor(args: &DoctorArgs) -> Result<Exit> {
    let terminal = Terminal::of_stdout(args.color);
    let checks = checks(&Facts::gather(&Workspace::find()));
    let mut page = Page::new(&terminal);
    for check in &checks {
        show(&mut page, check);
    }
    let warnings = checks.iter().filter(|check| matches!(check.state, State::Warn(_))).count();
    page.heading(&match warnings {
        0 => "nothing stands in the way of a comparison".to_owned(),
        1 => "one warning; a comparison works, within what it says".to_owned(),
        count => format!("{count} warnings; a comparison works, within what they say"),
    });
    terminal.print(&page.finish())?;
    Ok(Exit::Ok)
}

/// Adds the line of a check, and what to do.
fn show(page: &mut Page, check: &Check) {
    let (word, look) = match check.state {
        State::Ok => ("ok", Look::Good),
        State::Warn(_) => ("warn", Look::Unsure),
    };
    let lead = format!("{word:<4}  ");
    page.item(&lead, look, &format!("{}: {}", check.what, check.seen));
    if let State::Warn(todo) = &check.state {
        page.paragraph(lead.len(), &format!("-> {todo}"));
    }
}
