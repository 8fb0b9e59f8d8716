//! What the terminal can show.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use anstream::{AutoStream, ColorChoice};
use rustix::termios::tcgetwinsize;

use crate::{
    cli::Color,
    error::{Error, Result},
};

/// The width where nothing says how wide the terminal is.
pub(super) const USUAL_WIDTH: usize = 80;

/// The widest that a report becomes: longer lines are hard to read.
const WIDEST: usize = 100;

/// The narrowest: below it, tables do not fit whatever is done.
const NARROWEST: usize = 60;

/// Which characters may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// All.
    Unicode,
    /// Those of ASCII: the locale is not one of UTF-8, or the terminal is a dumb one.
    Ascii,
}

/// What standard output can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Columns.
    pub width: usize,
    /// Characters.
    pub charset: Charset,
    /// Whether colour is wanted.
    color: ColorChoice,
}

impl Terminal {
    /// Looks at standard output and at the environment.
    pub(crate) fn of_stdout(color: Color) -> Self {
        let columns = tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let width = columns.filter(|columns| *columns > 0).unwrap_or(USUAL_WIDTH);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(env::var_os)
            .find(|value| !value.is_empty());
        let text = |value: Option<std::ffi::OsString>| {
            value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self {
            width: width.clamp(NARROWEST, WIDEST),
            charset: charset(&text(env::var_os("TERM")), &text(locale)),
            color: match color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
        }
    }

    /// A terminal for tests.
    #[cfg(test)]
    pub(super) fn plain(width: usize, charset: Charset) -> Self {
        Self { width, charset, color: ColorChoice::Never }
    }

    /// Prints `text` on standard output, without its colours where they are not wanted. A reader
    /// that has gone away, `head` for example, is no error.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.color);
        match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result
                .map_err(|error| Error::failed(format!("failed to print the report: {error}"))),
        }
    }
}

/// Whether standard error is a terminal on which a line can be drawn over.
pub(super) fn stderr_is_drawable() -> bool {
    io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The characters for a kind of terminal and a locale, as the environment names them.
fn charset(term: &str, locale: &str) -> Charset {
    let locale = locale.to_ascii_lowercase();
    if term != "dumb" && (locale.contains("utf-8") || locale.contains("utf8")) {
        Charset::Unicode
    } else {
        Charset::Ascii
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_unless_the_locale_says_otherwise() {
        assert_eq!(charset("xterm", "C.UTF-8"), Charset::Unicode);
        assert_eq!(charset("", "de_DE.utf8"), Charset::Unicode);
        assert_eq!(charset("xterm", "C"), Charset::Ascii);
        assert_eq!(charset("xterm", ""), Charset::Ascii);
        assert_eq!(charset("dumb", "C.UTF-8"), Charset::Ascii);
    }
}
