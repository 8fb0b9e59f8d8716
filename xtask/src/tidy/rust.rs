//! Rules about Rust code, checked on its tokens: comments and strings do not count, and what is
//! inside of macros does.

use std::{collections::BTreeSet, str::FromStr};

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

use super::{
    finding::Finding,
    tree::{File, Tree},
    unsafe_files::UnsafeFile,
};

/// Where the list of files with unsafe code is.
const LIST: &str = "xtask/src/tidy/unsafe_files.rs";

/// Checks all Rust files, and that each file on the list of those with unsafe code has some.
pub(super) fn check(tree: &Tree, listed: &[UnsafeFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut has_unsafe = BTreeSet::new();
    for file in tree.files().filter(|file| file.is_rust()) {
        match scan(file) {
            Err(finding) => findings.push(finding),
            Ok(scan) => {
                findings.extend(scan.findings);
                if let Some(line) = scan.first_unsafe {
                    has_unsafe.insert(file.path.as_str());
                    if !listed.iter().any(|entry| entry.path == file.path) {
                        let message = format!(
                            "unsafe code in a file that is not for it; move it to one of those in \
                             {LIST}, or add this one there with its reason"
                        );
                        findings.push(Finding::error(&file.path, line, message));
                    }
                }
            }
        }
    }
    for entry in listed.iter().filter(|entry| !has_unsafe.contains(entry.path)) {
        let place = |(_, line): &(usize, &str)| line.contains(entry.path);
        let line = tree.get(LIST).and_then(|list| list.lines().find(place));
        let message = format!(
            "{} has no unsafe code (it was to be there because it {}); take it off the list",
            entry.path, entry.reason
        );
        findings.push(Finding::error(LIST, line.map_or(1, |(number, _)| number), message));
    }
    findings
}

/// What is in the tokens of a file.
#[derive(Debug, Default)]
struct Scan {
    /// The line of the first `unsafe`.
    first_unsafe: Option<usize>,
    /// What must not be there at all.
    findings: Vec<Finding>,
}

/// Reads the tokens of a file.
fn scan(file: &File) -> Result<Scan, Finding> {
    let tokens = TokenStream::from_str(&file.text).map_err(|error| {
        let line = error.span().start().line;
        Finding::error(&file.path, line, format!("is not Rust: {error}"))
    })?;
    let mut scan = Scan::default();
    walk(tokens, &file.path, &mut scan);
    Ok(scan)
}

/// Looks at each token, and into groups.
fn walk(tokens: TokenStream, path: &str, scan: &mut Scan) {
    let mut tokens = tokens.into_iter().peekable();
    let mut after_hash = false;
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Ident(word) => {
                let line = word.span().start().line;
                // Not in front of `!=`, whose `!` is joint to the next.
                let called = matches!(
                    tokens.peek(),
                    Some(TokenTree::Punct(next))
                        if next.as_char() == '!' && next.spacing() == Spacing::Alone
                );
                if word == "unsafe" {
                    scan.first_unsafe.get_or_insert(line);
                } else if called && ["todo", "unimplemented"].iter().any(|name| word == name) {
                    let message = format!("{word}! is unfinished work; finish it");
                    scan.findings.push(Finding::error(path, line, message));
                }
            }
            TokenTree::Group(group) => {
                if after_hash && group.delimiter() == Delimiter::Bracket {
                    scan.findings.extend(attribute(group, path));
                }
                walk(group.stream(), path, scan);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        // `#` and `#!` begin an attribute.
        after_hash = match &token {
            TokenTree::Punct(punct) => {
                punct.as_char() == '#' || after_hash && punct.as_char() == '!'
            }
            _ => false,
        };
    }
}

/// Objections to an attribute, given what is between its brackets; also to what `cfg_attr` adds.
fn attribute(group: &Group, path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tokens = group.stream().into_iter();
    let Some(TokenTree::Ident(name)) = tokens.next() else { return findings };
    let mut judge = |word: &proc_macro2::Ident| {
        let message = if word == "allow" {
            "#[allow] hides what may no longer be there; write #[expect(lint, reason = \"...\")]"
        } else if word == "ignore" {
            "an ignored test is no test; bound it, or let TRIPTYCH_LONG=1 choose its length"
        } else {
            return;
        };
        findings.push(Finding::error(path, word.span().start().line, message));
    };
    judge(&name);
    if let (true, Some(TokenTree::Group(arguments))) = (name == "cfg_attr", tokens.next()) {
        // After each comma at this depth an attribute may follow; conditions are calls in front.
        let arguments: Vec<_> = arguments.stream().into_iter().collect();
        for pair in arguments.windows(2) {
            if let [TokenTree::Punct(comma), TokenTree::Ident(word)] = pair
                && comma.as_char() == ','
            {
                judge(word);
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::planted, *};

    /// What is found in one file, with nothing listed.
    fn findings(text: &str) -> Vec<Finding> {
        check(&planted([("a.rs", text)]), &[])
    }

    #[test]
    fn planted_unsafe_code_is_found() {
        for text in [
            "fn f() {\n    unsafe { g() }\n}",
            "struct A;\nunsafe impl Send for A {}",
            "macro_rules! m {\n () => { unsafe { g() } };\n}",
            "\nunsafe extern \"C\" { fn f(); }",
            "\n#[unsafe(no_mangle)] fn f() {}",
        ] {
            let found = findings(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].line, 2, "{text}");
        }
    }

    #[test]
    fn the_word_alone_is_not_code() {
        for text in [
            "//! unsafe\n/// unsafe { }\nfn f() {} // unsafe\n/* unsafe /* unsafe */ unsafe */",
            "const A: &str = \"unsafe {\\\" unsafe\"; const B: &str = r#\"unsafe \" unsafe\"#;",
            "#![forbid(unsafe_code)]\nfn unsafely<'a>(x: &'a u8) -> char { '\"' }",
            "const A: &[u8] = b\"unsafe\"; const B: &core::ffi::CStr = c\"unsafe\";",
        ] {
            assert_eq!(findings(text), [], "{text}");
        }
    }

    #[test]
    fn the_list_must_be_right() {
        let list = [UnsafeFile { path: "a.rs", reason: "it is a test" }];
        let list_text = "\n    path: \"a.rs\",\n";
        let tree = |text| planted([("a.rs", text), (LIST, "")]);
        assert_eq!(check(&tree("unsafe fn f() {}"), &list), []);
        let found = check(&tree("fn f() {}"), &list);
        assert_eq!((found.len(), found[0].path.as_str()), (1, LIST));
        let gone = check(&planted([("xtask/src/tidy/unsafe_files.txt", list_text)]), &list);
        assert!(gone[0].message.contains("a.rs has no unsafe code"), "{gone:?}");
    }

    #[test]
    fn planted_attributes_are_found() {
        for text in [
            "\n#[allow(dead_code)]\nfn f() {}",
            "\n#![allow(dead_code)]",
            "\n#[test] #[ignore]\nfn f() {}",
            "\n#[test] #[ignore = \"slow\"]\nfn f() {}",
            "\n#[cfg_attr(test, allow(dead_code))]\nfn f() {}",
            "\n#[cfg_attr(all(a, b), inline, ignore)]\nfn f() {}",
            "mod m {\n    fn f() { #[allow(x)] g() }\n}",
        ] {
            let found = findings(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].line, 2, "{text}");
        }
        for text in [
            "/// #[allow(x)]\n#[expect(x, reason = \"allow\")]\nfn allow() { ignore[allow] }",
            "#[cfg_attr(not(allow), inline)]\nfn f() {}",
        ] {
            assert_eq!(findings(text), [], "{text}");
        }
    }

    #[test]
    fn planted_unfinished_macros_are_found() {
        for name in ["todo", "unimplemented"] {
            let found = findings(&format!("fn f() {{\n    {name}!()\n}}"));
            assert_eq!((found.len(), found[0].line), (1, 2), "{found:?}");
            assert_eq!(
                findings(&format!("fn {name}() {{ if {name} != a {{}} }} // {name}!()")),
                []
            );
        }
    }

    #[test]
    fn what_is_not_rust_is_found() {
        assert!(
            findings("fn f( {").first().is_some_and(|found| found.message.contains("not Rust"))
        );
    }
}
