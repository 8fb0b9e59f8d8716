//! What there is to measure, and the goals.

use crate::{
    compare::report::{Look, Page, Terminal},
    error::Result,
    exit::Exit,
};

use super::contract::Listing;

/// Lists the metrics with their contenders and goals.
///
/// # Errors
/// When the list cannot be printed.
pub(super) fn show(listing: &Listing, terminal: &Terminal) -> Result<Exit> {
    let mut page = Page::new(terminal);
    for metric in &listing.metrics {
        page.heading(&metric.name);
        page.paragraph(2, &metric.about);
        if let Some(baseline) = &metric.baseline {
            let what =
                format!("Compared are the costs above those of {baseline}, in the same round.");
            page.paragraph(2, &what);
        }
        if let Some(slices) = metric.amount.slices(false) {
            let what = format!(
                "In each round ours, a peer and the baseline take {slices} slices of some milliseconds by \
                 turns, in one process for each peer; compared are the medians over the slices."
            );
            page.paragraph(2, &what);
        }
        for peer in &metric.peers {
            let goal = |name: &str, goal: Option<super::goal::Goal>| {
                goal.map(|goal| format!("{name}: {goal}"))
            };
            let goals = [goal("required", peer.required), goal("stretch", peer.stretch)];
            let goals: Vec<String> = goals.into_iter().flatten().collect();
            let goals = if goals.is_empty() { "no goal".into() } else { goals.join("; ") };
            page.item(&format!("  against {}: ", peer.name), Look::Plain, &goals);
        }
    }
    for absent in &listing.absent {
        page.paragraph(0, absent);
    }
    terminal.print(&page.finish())?;
    Ok(Exit::Ok)
}
