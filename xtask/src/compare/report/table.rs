//! Tables for a terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use textwrap::core::display_width;

use super::{
    footnotes::Footnotes,
    grid::{Column, Grid},
    layout::Page,
    terminal::Charset,
};

/// Columns between two columns of a table: a blank on each side of each.
const BETWEEN: usize = 2;

/// The heading of the first column.
const LANE: &str = "lane";

/// Draws a grid on `page`, in as many tables below each other as its width needs. Lanes that have
/// nothing in a table are left out of it.
pub(super) fn draw(page: &mut Page, grid: &Grid, footnotes: &mut Footnotes) {
    let columns: Vec<Vec<String>> =
        grid.columns.iter().map(|column| texts(&grid.lanes, column, footnotes)).collect();
    let lanes = grid.lanes.iter().map(|lane| display_width(lane)).max().unwrap_or(0);
    let room = page.width().saturating_sub(lanes.max(LANE.len()) + BETWEEN);
    let mut first = 0;
    while first < columns.len() {
        let mut used = 0;
        let fits =
            grid.columns[first..].iter().zip(&columns[first..]).take_while(|(column, texts)| {
                used += width(column, texts) + BETWEEN;
                used <= room
            });
        // A column that is too wide for any table gets one to itself.
        let count = fits.count().max(1);
        let table = table(page.charset(), grid, first..first + count, &columns);
        page.lines(&table.lines().collect::<Vec<_>>());
        first += count;
    }
}

/// One table of some of the columns.
fn table(
    charset: Charset,
    grid: &Grid,
    range: std::ops::Range<usize>,
    columns: &[Vec<String>],
) -> Table {
    let mut table = Table::new();
    let rule = match charset {
        Charset::Unicode => '\u{2500}',
        Charset::Ascii => '-',
    };
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill(rule)));
    table.set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
    let heads = grid.columns[range.clone()].iter().map(|column| right(&head(column).join("\n")));
    table.set_header([Cell::new(LANE)].into_iter().chain(heads));
    for (row, lane) in grid.lanes.iter().enumerate() {
        let texts: Vec<&str> = columns[range.clone()].iter().map(|texts| &*texts[row]).collect();
        if texts.iter().any(|text| !text.is_empty()) {
            let cells = texts.into_iter().map(right);
            table.add_row([Cell::new(lane)].into_iter().chain(cells));
        }
    }
    table
}

/// The texts of a column with their marks: `*` for the lane to use, then those of footnotes.
fn texts(lanes: &[String], column: &Column, footnotes: &mut Footnotes) -> Vec<String> {
    let text = |(lane, entry): (&String, &super::entry::Entry)| {
        let mut text = entry.text.clone();
        if entry.chosen {
            text.push('*');
        }
        for note in &entry.notes {
            text.push(' ');
            text.push_str(&footnotes.mark(note, lane));
        }
        text
    };
    lanes.iter().zip(&column.entries).map(text).collect()
}

/// The lines of a heading that say something.
fn head(column: &Column) -> Vec<&str> {
    column.head.iter().map(String::as_str).filter(|line| !line.is_empty()).collect()
}

/// How wide a column is.
fn width(column: &Column, texts: &[String]) -> usize {
    let heads = column.head.iter().chain(texts);
    heads.map(|text| display_width(text)).max().unwrap_or(0)
}
