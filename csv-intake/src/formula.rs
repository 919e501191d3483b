//! What a spreadsheet would run when it opens a CSV, made inert; and plain again.
//!
//! A cell is made inert by a quote mark (`'`) before it, which spreadsheets show as text. Reading takes that mark away,
//! so a phone such as `+44...` goes out and comes back as it was. U+2212, the real minus, is left alone: no
//! spreadsheet begins a formula with it.

use std::borrow::Cow;

/// What begins a formula; the last four are the full-width forms, which a Japanese or Chinese office program takes alike.
/// A tab or a line end at the start is dropped by some programs, and what follows it is run.
const BEGINNINGS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// What programs pass over at the start of a cell; and the quote mark itself, so that making inert can be undone whatever
/// the cell was: a text that looks as if it had been made inert is made inert once more.
const PASSED_OVER: [char; 5] = ['\'', ' ', '\u{a0}', '\u{3000}', '\u{feff}'];

/// Whether a spreadsheet might run this text, with or without quote marks before it.
pub fn begins(text: &str) -> bool {
    text.trim_start_matches(PASSED_OVER).starts_with(BEGINNINGS)
}

/// The text as it may stand in a file that a spreadsheet opens.
pub fn inert(text: &str) -> Cow<'_, str> {
    if begins(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that was made inert. Any other is left as it is: `'t Hart` keeps its mark.
pub fn plain(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text.strip_prefix('\'').filter(|rest| begins(rest)).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_runs_is_made_inert_and_the_rest_is_left_alone() {
        for text in [
            "=1+1", "+44 20", "-1", "@A1", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠A", " =1", "'=1",
            "''+1",
        ] {
            assert_eq!(inert(text), format!("'{text}"), "{text:?}");
        }
        for text in ["", "Ada", "'t Hart", "1+1", "a@b.org", "\u{2212}1", "'", " Ada"] {
            assert_eq!((inert(text), plain(text)), (Cow::Borrowed(text), Cow::Borrowed(text)));
        }
    }

    proptest! {
        #[test]
        fn inert_then_plain_is_the_same(text in "['+= \t\u{feff}a＝]{0,5}.{0,3}") {
            let made = inert(&text).into_owned();
            prop_assert_eq!(plain(&made), text.as_str());
            // After the mark, which a spreadsheet takes for itself, nothing is left that it would look at.
            prop_assert!(!begins(&text) || made.starts_with('\''));
        }
    }
}
