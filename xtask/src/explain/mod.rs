//! `cargo xtask explain WORKLOAD`: what is measured, how large, in which lanes, and how its results
//! are verified.

pub(crate) mod misbehaviour;

use clap::Args;
use common::{
    Body,
    lane::Shape,
    workload::{self, Point, Setting, Tier, Workload},
};

use crate::{
    cli::Color,
    compare::{
        judge::{CLAIMS, Claim, Test},
        question,
        report::{Look, Page, Terminal},
    },
    error::{Error, Result},
    exit::Exit,
    nearest::unknown_name,
    workspace::Workspace,
};

/// What `explain` takes.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The workload, by its full name (`cargo xtask list` shows them).
    #[arg(value_name = "WORKLOAD")]
    pub workload: String,
    /// Whether to use colour.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// The workload that waits for a fault.
const FAULTS: &str = "fault.matrix";

/// Explains a workload.
///
/// # Errors
/// A usage error with the nearest name when there is no such workload.
pub fn explain(args: &ExplainArgs) -> Result<Exit> {
    let Some(workload) = workload::find(&args.workload) else {
        let known = workload::ALL.iter().map(|workload| workload.id());
        return Err(Error::usage(unknown_name("workload", &args.workload, known)));
    };
    let terminal = Terminal::of_stdout(args.color);
    let mut page = Page::new(&terminal);
    page.heading(&format!("{}: {}", workload.id(), workload.question()));
    page.paragraph(2, workload.about());
    let sample = points(&mut page, workload);
    lanes(&mut page, workload.id());
    page.heading("Verified");
    page.paragraph(2, &verification(sample.as_ref()));
    claims(&mut page, workload.id());
    page.heading("Run it");
    page.verbatim(2, &format!("cargo xtask compare {}", workload.id()));
    terminal.print(&page.finish())?;
    Ok(Exit::Ok)
}

/// The points of each tier with their sizes; the first one found. Making points makes their
/// inputs, the same that `compare` then uses.
fn points(page: &mut Page, workload: &dyn Workload) -> Option<Point> {
    page.heading("Points");
    let mut sample = None;
    for (tier, name) in [(Tier::Smoke, "smoke"), (Tier::Quick, "quick"), (Tier::Full, "full")] {
        let setting = Setting {
            tier,
            // Sizes do not depend on the speed of the machine.
            ns_per_iteration: 1.0,
            inputs: Workspace::find().compare_folder().join("inputs"),
            files: None,
        };
        let lead = format!("  {name:<6} ");
        match workload.points(&setting) {
            Ok(points) => {
                for (number, point) in points.iter().enumerate() {
                    let lead = if number == 0 { lead.clone() } else { " ".repeat(lead.len()) };
                    let label = match point.label.as_str() {
                        "" => String::new(),
                        label => format!("{label}: "),
                    };
                    page.item(&lead, Look::Strong, &format!("{label}{}", point.size));
                }
                sample = sample.or_else(|| points.into_iter().next());
            }
            Err(error) => page.item(&lead, Look::Unsure, &format!("not known here: {error}")),
        }
    }
    sample
}

/// The lanes that are compared.
fn lanes(page: &mut Page, workload: &str) {
    page.heading("Lanes");
    match question::about(workload) {
        Some(question) => {
            let lanes = question.lanes.join(", ");
            page.paragraph(
                2,
                &format!("{lanes}; with --peers those of other runtimes and of clusters, too; with --tier full every lane, \
                     with --lanes those named"),
            );
        }
        None => page.paragraph(2, "seq; with --lanes those named"),
    }
}

/// How the results of points like this one are verified.
fn verification(sample: Option<&Point>) -> String {
    let says = match sample.map(|point| (&point.plan.job.body, point.plan.shape)) {
        Some((Body::Dummy(dummy), _)) => {
            let (word, exit) = misbehaviour::expected(*dummy);
            return format!(
                "Here {}: the comparison has to call that \"{word}\", show no time, and end with \
                 exit code {}.",
                misbehaviour::says(*dummy),
                exit.code()
            );
        }
        Some((Body::Fault(_), _)) => {
            "The healthy tasks that come back are counted, and their digest must be the one that \
             was computed without any lane; the lane must name the culprit and no other, and then \
             run healthy work."
        }
        Some((Body::Crawl(_), Shape::Graph)) => {
            "Every page is folded into a digest that does not depend on the order; it must equal \
             the one computed from the site's seed without fetching anything. A lane that gets \
             it wrong is shown as wrong, without its time."
        }
        Some((_, Shape::Tree)) => {
            "The nodes are counted and folded to a number in which the two sides of a node weigh \
             differently; both must equal those that were computed from the leaves upwards, \
             without any lane and without recursion. A lane that gets it wrong is shown as wrong, \
             without its time."
        }
        Some((_, Shape::Loops)) => {
            "After the last step, every row is folded into a digest; it must equal the one \
             computed cell by cell, without any lane. Cells wrap around, so that an error in one \
             step is never smoothed away. A lane that gets it wrong is shown as wrong, without \
             its time."
        }
        Some((_, Shape::Transfer)) => {
            "Each time the bytes are different, and whoever gets them answers with the checksum of \
             all of them; the answers are folded into a digest, which must equal the one computed \
             without handing anything over. A lane that gets it wrong is shown as wrong, without \
             its time."
        }
        _ => {
            "Every result is folded into a digest that does not depend on the order; it must \
             equal the one computed without any lane. A lane that gets it wrong is shown as \
             wrong, without its time."
        }
    };
    says.into()
}

/// The sentences of the classic answer that this workload decides.
fn claims(page: &mut Page, workload: &str) {
    let decides = |claim: &&Claim| match claim.test {
        Test::Compare { workload: by, .. } => by == workload,
        Test::Survives { .. } => workload == FAULTS,
    };
    let mut claims = CLAIMS.iter().filter(decides).peekable();
    if claims.peek().is_none() {
        return;
    }
    page.heading("Sentences of the classic answer that it puts to the test");
    for claim in claims {
        page.item("  - ", Look::Plain, claim.says);
    }
}
