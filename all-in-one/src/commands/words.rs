//! How numbers and texts stand in a terminal.

/// A number in groups of three: `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A text that somebody else wrote, without what would move the cursor or colour the screen.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Numbers and what they count, the numbers aligned.
pub fn counts(lines: &[(u64, &str)]) -> String {
    let wide = lines.iter().map(|(number, _)| grouped(*number).len()).max().unwrap_or(0).max(7);
    lines.iter().map(|(number, what)| format!("  {:>wide$}  {what}\n", grouped(*number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_aligned() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1000, 1_234_567].map(grouped).as_slice());
        assert_eq!(counts(&[(12, "rows"), (1, "failed")]), "       12  rows\n        1  failed\n");
    }

    #[test]
    fn a_header_cannot_take_over_the_terminal() {
        assert_eq!(plain("Na\u{1b}[2Jme\n"), "Na [2Jme ");
    }
}
