//! `--splice FILE`: results between two markers of a document, lines such as `<!-- compare:begin -->` and
//! `<!-- compare:end -->`.

use std::{fs, path::Path};

use crate::error::{Error, Result};

/// Checks that `path` has both markers of this command.
///
/// # Errors
/// A usage error.
pub(crate) fn check(command: &str, path: &Path) -> Result<()> {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::usage(format!("--splice {}: {error}", path.display())))?;
    spliced(command, &text, "").map(drop).map_err(|why| usage(path, &why))
}

/// Replaces what is between the markers of this command in the file.
///
/// # Errors
/// Those of reading and writing the file, or when the markers have gone.
pub(crate) fn splice(command: &str, block: &str, path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let text = spliced(command, &text, block).map_err(|why| usage(path, &why))?;
    fs::write(path, text).map_err(Error::io("write the results into", path))
}

/// The usage error for a file.
fn usage(path: &Path, why: &str) -> Error {
    Error::usage(format!("--splice {}: {why}", path.display()))
}

/// `text` with `block` between the markers of this command.
///
/// # Errors
/// Which marker is missing, doubled or misplaced.
pub(crate) fn spliced(
    command: &str,
    text: &str,
    block: &str,
) -> std::result::Result<String, String> {
    let [first, last] = ["begin", "end"].map(|what| format!("<!-- {command}:{what} -->"));
    let begin = only(text, &first)?;
    let end = only(text, &last)?;
    if end < begin {
        return Err(format!("{last} stands before {first}"));
    }
    let (before, after) = (&text[..begin + first.len()], &text[end..]);
    Ok(format!("{before}\n{}\n{after}", block.trim_end()))
}

/// Where the only line is that consists of `marker`.
fn only(text: &str, marker: &str) -> std::result::Result<usize, String> {
    let mut offset = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end() == marker {
            found.push(offset);
        }
        offset += line.len();
    }
    match found[..] {
        [only] => Ok(only),
        [] => Err(format!("it has no line {marker}")),
        _ => Err(format!("it has more than one line {marker}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line before the results.
    const BEGIN: &str = "<!-- compare:begin -->";

    /// The line after them.
    const END: &str = "<!-- compare:end -->";

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = format!("top\r\n{BEGIN}\nold\n\nolder\n{END}\n\nend without newline");
        let once = spliced("compare", &text, "new\n\n").unwrap();
        assert_eq!(once, format!("top\r\n{BEGIN}\nnew\n{END}\n\nend without newline"));
        assert_eq!(spliced("compare", &once, "new\n\n").unwrap(), once);
    }

    #[test]
    fn markers_must_be_there_once_and_in_order() {
        let error = |text: &str| spliced("compare", text, "").unwrap_err();
        assert!(error("text").contains("no line <!-- compare:begin -->"));
        assert!(error("<!-- bench:begin -->\n<!-- bench:end -->").contains("no line"));
        assert!(error(BEGIN).contains("no line <!-- compare:end -->"));
        assert!(error(&format!("{END}\n{BEGIN}\n")).contains("stands before"));
        assert!(error(&format!("{BEGIN}\n{END}\n{END}\n")).contains("more than one"));
        assert!(
            error(&format!("see {BEGIN}\n{END}\n")).contains("no line"),
            "quoted in a sentence"
        );
    }
}
