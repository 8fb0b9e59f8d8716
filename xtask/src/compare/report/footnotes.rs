//! The sentences below a table.

use super::entry::Note;

/// Sentences with the marks that stand for them, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Footnotes {
    /// The sentences, in the order in which they were first needed.
    list: Vec<Footnote>,
}

/// A sentence and the lanes that it is about.
#[derive(Clone, Debug)]
struct Footnote {
    /// What it says.
    note: Note,
    /// The lanes.
    lanes: Vec<String>,
}

impl Footnotes {
    /// The mark for what `note` says about `lane`.
    pub(super) fn mark(&mut self, note: &Note, lane: &str) -> String {
        let known = self.list.iter().position(|footnote| footnote.note == *note);
        let index = known.unwrap_or(self.list.len());
        if known.is_none() {
            self.list.push(Footnote { note: note.clone(), lanes: Vec::new() });
        }
        let lanes = &mut self.list[index].lanes;
        if !lanes.iter().any(|known| known == lane) {
            lanes.push(lane.into());
        }
        mark(note, index)
    }

    /// Each mark with its sentence.
    pub(super) fn sentences(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.list.iter().enumerate().map(|(index, Footnote { note, lanes })| {
            let lanes = lanes.join(", ");
            let sentence = match note {
                Note::Hybrid(with) => format!("hybrid, not the model alone ({lanes}): {with}"),
                Note::Ceiling(why) => format!("ceiling ({lanes}): {why}"),
                Note::Cannot(why) => format!("not possible ({lanes}): {why}"),
                Note::TwoHeaps(what) => format!("two heaps ({lanes}): {what}"),
            };
            (mark(note, index), sentence)
        })
    }
}

/// A letter for what kind of thing it says, and a number.
fn mark(note: &Note, index: usize) -> String {
    let letter = match note {
        Note::Hybrid(_) => 'h',
        Note::Ceiling(_) => 'c',
        Note::Cannot(_) => 'n',
        Note::TwoHeaps(_) => 't',
    };
    format!("{letter}{}", index + 1)
}
