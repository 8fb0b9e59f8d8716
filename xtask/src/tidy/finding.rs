//! What a rule found.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Must be put right; `tidy` fails.
    Error,
    /// Worth a look.
    Warning,
}

/// A place where a rule does not hold. Findings are ordered by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the workspace.
    pub path: String,
    /// The line, counted from one; one also if the finding is about the whole file.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what to do about it, as a sentence without a final dot.
    pub message: String,
}

impl Finding {
    /// Something that must be put right.
    pub(super) fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, severity: Severity::Error, message: message.into() }
    }

    /// Something worth a look.
    pub(super) fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, severity, message } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{path}:{line}: {severity}: {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_its_place_first() {
        let finding = Finding::warning("a/b.rs", 7, "this is odd; look at it");
        assert_eq!(finding.to_string(), "a/b.rs:7: warning: this is odd; look at it");
        assert!(finding < Finding::error("a/b.rs", 8, ""));
    }
}
