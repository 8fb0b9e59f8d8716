//! What no text file may contain: marks of unfinished work, and paths of one machine.

use super::{finding::Finding, tree::File};

/// Marks of unfinished work. They are spelled in halves, for this file is checked, too.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Folders at the root of a file system below which people and machines keep their own things.
const PRIVATE: [&str; 3] = ["home", "root", "work"];

/// Checks a file line by line.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        if let Some(mark) = MARKS.iter().find(|mark| has_word(line, mark)) {
            let message = format!("{mark} marks unfinished work; finish it or open an issue");
            findings.push(Finding::error(&file.path, number, message));
        }
        if let Some(folder) = PRIVATE.iter().find(|folder| names_folder(line, folder)) {
            let message = format!("/{folder}/... is a path of one machine; make it relative");
            findings.push(Finding::error(&file.path, number, message));
        }
    }
    findings
}

/// Whether `word` is in the line, with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    let beside = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(index, _)| {
        !line[..index].ends_with(beside) && !line[index + word.len()..].starts_with(beside)
    })
}

/// Whether the line names something in this folder of the root: the slash before it must not
/// continue a relative path, nor the address of a web page.
fn names_folder(line: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    let before = |character: char| character.is_alphanumeric() || "._-~})*>]".contains(character);
    line.match_indices(&path).any(|(index, _)| !line[..index].ends_with(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks this text.
    fn findings(text: String) -> Vec<Finding> {
        check(&File { path: "a.md".into(), text })
    }

    #[test]
    fn planted_marks_are_found() {
        for mark in MARKS {
            for text in [format!("fine\n// {mark}: later"), format!("\n{mark}(me)")] {
                let found = findings(text);
                assert_eq!(found.len(), 1, "{mark}: {found:?}");
                assert_eq!(found[0].line, 2);
            }
            assert_eq!(findings(format!("A{mark}, {mark}S, {mark}_1 are other words")), []);
        }
    }

    #[test]
    fn planted_paths_are_found() {
        for folder in PRIVATE {
            for before in ["", "see ", "\"", "`", "=", "file://"] {
                let found = findings(format!("{before}/{folder}/me"));
                assert_eq!(found.len(), 1, "{before}/{folder}: {found:?}");
            }
            for fine in [
                format!("docs/{folder}/x"),
                format!("{{dir}}/{folder}/x"),
                format!("https://example.org/{folder}/x"),
                format!("/{folder}"),
            ] {
                assert_eq!(findings(fine.clone()), [], "{fine}");
            }
        }
    }
}
