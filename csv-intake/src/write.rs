//! Rows of a CSV that any program reads back as they were, and that no spreadsheet runs.

use crate::formula;

/// Appends one row: RFC 4180, commas, CRLF, formulas made inert. A row without cells is a blank line, which reading
/// passes over. A zero byte is written as it is; reading reports it.
pub fn write_row<Cell: AsRef<str>>(out: &mut String, cells: impl IntoIterator<Item = Cell>) {
    for (place, cell) in cells.into_iter().enumerate() {
        let cell = formula::inert(cell.as_ref());
        if place > 0 {
            out.push(',');
        }
        // A row of empty cells alone would be a blank line.
        if needs_quotes(&cell) || (place == 0 && cell.is_empty()) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

/// Whether a reader could take a bare cell for something else: for two cells, for blank, or, in the first row, for
/// a mark, a line `sep=` or another kind of file.
fn needs_quotes(cell: &str) -> bool {
    let odd = |c: char| matches!(c, ',' | ';' | '|' | '"') || c.is_control();
    let taken_for_else = |c: char| matches!(c, '<' | '{' | '[' | '%' | '\u{feff}');
    cell.contains(odd)
        || cell.starts_with(taken_for_else)
        || cell.starts_with(char::is_whitespace)
        || cell.ends_with(char::is_whitespace)
        || cell.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep="))
        || cell.starts_with("BZh")
}
