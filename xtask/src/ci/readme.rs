//! The test command, as README.md tells people to type it.

use std::path::Path;

/// How the command begins.
const BEGIN: &str = "cargo test";

/// What a line may not contain that is to be run without a shell.
const SHELL: [char; 10] = ['\'', '"', '\\', '|', '&', ';', '<', '>', '$', '`'];

/// The arguments of Cargo in the README's test command.
///
/// # Errors
/// Why there are none, as a sentence.
pub(super) fn test_command(root: &Path) -> Result<Vec<String>, String> {
    let readme = std::fs::read_to_string(root.join("README.md"))
        .map_err(|error| format!("failed to read README.md for its test command: {error}"))?;
    parse(&readme)
}

/// Finds the first line of a fenced block that begins with [`BEGIN`].
fn parse(readme: &str) -> Result<Vec<String>, String> {
    let mut inside = false;
    for line in readme.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = !inside;
            continue;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let line = line.split_once(" #").map_or(line, |(command, _)| command).trim_end();
        let rest = line.strip_prefix(BEGIN);
        if inside && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
            if line.contains(SHELL) {
                return Err(format!("README.md's test command needs a shell: {line}"));
            }
            return Ok(line.split_whitespace().skip(1).map(str::to_owned).collect());
        }
    }
    Err(format!("README.md has no line in a fenced block that begins with `{BEGIN}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_in_a_fenced_block() {
        for line in ["cargo test --workspace", "$ cargo test --workspace   # all of it"] {
            let readme =
                format!("Type `cargo test -p x`:\ncargo test -p y\n```sh\nls\n{line}\n```");
            assert_eq!(parse(&readme).unwrap(), ["test", "--workspace"]);
        }
        assert_eq!(parse("```\ncargo test\n```").unwrap(), ["test"]);
    }

    #[test]
    fn a_readme_without_it_is_an_error() {
        for readme in ["", "cargo test", "```\ncargo test-all\n```", "```\n```\ncargo test\n"] {
            assert!(parse(readme).unwrap_err().contains("no line"), "{readme}");
        }
        assert!(parse("```\ncargo test && rm x\n```").unwrap_err().contains("needs a shell"));
        let nowhere = tempfile::tempdir().unwrap();
        assert!(test_command(nowhere.path()).unwrap_err().contains("failed to read README.md"));
    }
}
