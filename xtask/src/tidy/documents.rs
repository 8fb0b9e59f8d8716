//! How long documents may be, and that a crate says the same about itself everywhere.

use super::{
    finding::Finding,
    packages::Package,
    tree::{File, Tree},
};

/// The documents with a limit, in lines.
const LIMITS: [(&str, usize); 2] = [("README.md", 100), ("ARCHITECTURE.md", 200)];

/// Checks the documents that are there.
pub(super) fn lengths(tree: &Tree) -> Vec<Finding> {
    let too_long = |(path, limit): (&str, usize)| {
        let lines = tree.get(path)?.lines().count();
        let message = format!("{lines} lines; cut it to {limit} or move parts to docs/");
        (lines > limit).then(|| Finding::error(path, limit + 1, message))
    };
    LIMITS.into_iter().filter_map(too_long).collect()
}

/// Checks that a package with a library begins its documentation, its README if it has one, and
/// its description in the manifest with the same sentence.
pub(super) fn sentence(package: &Package, tree: &Tree) -> Vec<Finding> {
    let Some(library) = package.library.as_deref().and_then(|path| tree.get(path)) else {
        return Vec::new();
    };
    let manifest = package.manifest_path();
    let Some(description) = package.description.as_deref() else {
        return vec![Finding::error(&manifest, 1, "has a library but no description; add one")];
    };
    let readme = tree.get(&format!("{}/README.md", package.folder));
    let mut findings = Vec::new();
    let mut compare = |file: &File, found: Option<(usize, String)>| {
        let (line, found) = found.unwrap_or((1, "nothing".into()));
        if found != description {
            let message = format!(
                "begins with `{found}`, {manifest} with `{description}`; make them the same"
            );
            findings.push(Finding::error(&file.path, line, message));
        }
    };
    if let Some(readme) = readme {
        compare(readme, first_paragraph(readme.lines()));
    }
    // A library that includes its README says the same by that.
    let includes = library.lines().find(|(_, line)| line.starts_with("#![doc = include_str!("));
    if readme.is_none() || includes.is_none() {
        let docs = library.lines().map_while(|(number, line)| {
            let text = line.strip_prefix("//!")?;
            Some((number, text.trim_start()))
        });
        compare(library, first_paragraph(docs));
    }
    findings
}

/// The first paragraph that is not a heading, on one line, and where it begins.
fn first_paragraph<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Option<(usize, String)> {
    let skip = |(_, line): &(usize, &str)| line.trim().is_empty() || line.starts_with('#');
    let mut lines = lines.skip_while(skip).peekable();
    let begin = lines.peek()?.0;
    let lines = lines.map(|(_, line)| line.trim()).take_while(|line| !line.is_empty());
    Some((begin, lines.collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::planted, *};

    /// A package with a library and this description.
    fn package(description: &str) -> Package {
        Package {
            folder: "x".into(),
            description: Some(description.into()),
            library: Some("x/src/lib.rs".into()),
            ..Package::default()
        }
    }

    #[test]
    fn long_documents_are_found() {
        let readme = "line\n".repeat(100);
        assert_eq!(lengths(&planted([("README.md", &readme), ("x/README.md", "")])), []);
        let readme = readme + "one more\n";
        let found = lengths(&planted([("README.md", &readme), ("x/README.md", &readme)]));
        assert_eq!((found.len(), found[0].line), (1, 101), "{found:?}");
        let found = lengths(&planted([("ARCHITECTURE.md", &"line\n".repeat(201))]));
        assert_eq!((found.len(), found[0].line), (1, 201), "{found:?}");
    }

    #[test]
    fn one_sentence_everywhere_is_good() {
        let included = "#![doc = include_str!(\"../README.md\")]\n";
        let tree = planted([
            ("x/src/lib.rs", included),
            ("x/README.md", "# Title\n\nA pool\nof threads.\n\nMore.\n"),
        ]);
        assert_eq!(sentence(&package("A pool of threads."), &tree), []);
        let tree = planted([("x/src/lib.rs", "//! A pool.\n//!\n//! More.\n")]);
        assert_eq!(sentence(&package("A pool."), &tree), []);
    }

    #[test]
    fn different_sentences_are_found() {
        let tree = planted([
            ("x/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n"),
            ("x/README.md", "# Title\n\nA pond.\n"),
        ]);
        let found = sentence(&package("A pool."), &tree);
        assert_eq!((found.len(), found[0].path.as_str(), found[0].line), (1, "x/README.md", 3));
        let tree = planted([("x/src/lib.rs", "\n//! A pond.\n")]);
        let found = sentence(&package("A pool."), &tree);
        assert_eq!((found.len(), found[0].path.as_str()), (1, "x/src/lib.rs"));
        // A README that the library does not include: both are compared.
        let tree = planted([("x/src/lib.rs", "//! A pond.\n"), ("x/README.md", "A pool.\n")]);
        assert_eq!(sentence(&package("A pool."), &tree).len(), 1);
        let nameless = Package { description: None, ..package("") };
        assert!(sentence(&nameless, &tree)[0].message.contains("no description"));
    }
}
