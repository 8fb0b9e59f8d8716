//! How long a file may grow before it is worth a look.

use super::{finding::Finding, tree::File};

/// Lines of a Rust file; one with more seldom has only one role.
const LINES: usize = 400;

/// Checks one file.
pub(super) fn check(file: &File) -> Option<Finding> {
    let lines = file.lines().count();
    (file.is_rust() && lines > LINES).then(|| {
        let message = format!("{lines} lines; does it still have one role? over {LINES} seldom do");
        Finding::warning(&file.path, LINES + 1, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_a_warning() {
        let long = |path: &str, lines| File { path: path.into(), text: "\n".repeat(lines) };
        assert_eq!(check(&long("a.rs", LINES)), None);
        assert_eq!(check(&long("a.txt", LINES + 1)), None);
        let found = check(&long("a.rs", LINES + 1)).unwrap();
        assert_eq!((found.line, found.severity), (401, super::super::Severity::Warning));
    }
}
