//! Text laid out in columns of a terminal.

use anstyle::{AnsiColor, Style};
use textwrap::core::display_width;

use super::terminal::{Charset, Terminal};

/// How a word or a line looks; what it means is always in the text as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Like everything else.
    Plain,
    /// A heading, or the word that matters.
    Strong,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Uncertain news.
    Unsure,
}

impl Look {
    /// The style of a terminal.
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Good => color(AnsiColor::Green),
            Self::Bad => color(AnsiColor::Red),
            Self::Unsure => color(AnsiColor::Yellow),
        }
    }
}

/// A text that grows downwards, every line of it as wide as the terminal at most.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The lines so far, with escape sequences for their looks.
    text: String,
    /// Columns.
    width: usize,
    /// Characters.
    charset: Charset,
}

impl Page {
    /// An empty page for `terminal`.
    pub(crate) fn new(terminal: &Terminal) -> Self {
        Self::sized(terminal.width, terminal.charset)
    }

    /// An empty page of so many columns.
    pub(super) fn sized(width: usize, charset: Charset) -> Self {
        Self { text: String::new(), width, charset }
    }

    /// Columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Characters.
    pub(super) fn charset(&self) -> Charset {
        self.charset
    }

    /// A heading, after an empty line.
    pub(crate) fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.item("", Look::Strong, text);
    }

    /// A paragraph that is set in by so many columns.
    pub(crate) fn paragraph(&mut self, indent: usize, text: &str) {
        self.item(&" ".repeat(indent), Look::Plain, text);
    }

    /// `lead` followed by `text`, whose further lines start below its first. Without a lead the
    /// look is that of the text.
    pub(crate) fn item(&mut self, lead: &str, look: Look, text: &str) {
        let (lead, text) = (self.clean(lead), self.clean(text));
        let indent = display_width(&lead);
        let room = self.width.saturating_sub(indent).max(1);
        let options = textwrap::Options::new(room)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
        let lines = textwrap::wrap(&text, options);
        let styled = |text: &str, look: Look| {
            let bare = text.trim_start();
            let style = if bare.is_empty() { Style::new() } else { look.style() };
            format!("{}{style}{bare}{style:#}", &text[..text.len() - bare.len()])
        };
        for (number, line) in lines.iter().enumerate() {
            let whole = match number {
                0 if indent == 0 => styled(line, look),
                0 => format!("{}{line}", styled(&lead, look)),
                _ if indent == 0 => styled(line, look),
                _ => format!("{}{line}", " ".repeat(indent)),
            };
            self.text.push_str(whole.trim_end());
            self.text.push('\n');
        }
    }

    /// A line that is not broken, however long, so that it can be copied: a path or a command.
    pub(crate) fn verbatim(&mut self, indent: usize, text: &str) {
        let text = self.clean(text);
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(&text);
        self.text.push('\n');
    }

    /// Lines that are laid out already.
    pub(super) fn lines(&mut self, lines: &[String]) {
        for line in lines {
            let line = self.clean(line);
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// All of it.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// The text without control characters, which could come from what a lane host said, and in
    /// ASCII where that is all there is.
    fn clean(&self, text: &str) -> String {
        let shown = |c: char| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() => '?',
            c if self.charset == Charset::Ascii && !c.is_ascii() => '?',
            c => c,
        };
        text.chars().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page without its escape sequences.
    fn plain(page: Page) -> String {
        anstream::adapter::strip_str(&page.finish()).to_string()
    }

    #[test]
    fn further_lines_start_below_the_first() {
        let mut page = Page::sized(20, Charset::Unicode);
        page.item("lead  ", Look::Good, "one two three four five");
        assert_eq!(plain(page), "lead  one two three\n      four five\n");
    }

    #[test]
    fn words_that_are_too_long_are_broken_and_verbatim_lines_are_not() {
        let mut page = Page::sized(10, Charset::Unicode);
        page.paragraph(2, "abcdefghijkl");
        page.verbatim(2, "abcdefghijkl");
        assert_eq!(plain(page), "  abcdefgh\n  ijkl\n  abcdefghijkl\n");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        let mut page = Page::sized(40, Charset::Ascii);
        page.paragraph(0, "a\u{1b}[31mb\u{7}\u{e9}\nc");
        assert_eq!(page.finish(), "a?[31mb?? c\n");
    }
}
