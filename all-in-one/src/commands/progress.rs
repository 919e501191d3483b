//! How far something is: a bar on a terminal, elsewhere a plain line now and then. On standard error, since
//! standard output is for what was asked.

use super::words::grouped;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Plain lines are never closer together.
const SELDOM: Duration = Duration::from_secs(3);
/// After so long a line is due even where little was done.
const LONG: Duration = Duration::from_secs(30);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Things with a name: rows, invites.
    Things(&'static str),
}

/// One stretch of work.
pub struct Progress(Shown);

enum Shown {
    Bar(ProgressBar),
    Lines { lines: Lines, begun: Instant },
}

impl Progress {
    /// Begins to show `what`: the word that each line begins with.
    pub fn begin(what: &'static str, unit: Unit) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress(Shown::Lines { lines: Lines::new(what, unit), begun: Instant::now() });
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let of = match unit {
            Unit::Bytes => "{bytes} of {total_bytes}  {bytes_per_sec}  {eta} left".to_owned(),
            Unit::Things(name) => {
                format!("{{human_pos}} of {{human_len}} {name}  {{speed}} a second  {{eta}} left")
            }
        };
        if let Ok(style) = ProgressStyle::with_template(&format!("  {what} {{bar:32}} {of}")) {
            let speed = |state: &ProgressState, shown: &mut dyn Write| {
                let _ = write!(shown, "{:.0}", state.per_sec());
            };
            bar.set_style(style.with_key("speed", speed));
        }
        Progress(Shown::Bar(bar))
    }

    /// So much is done, of so much where that is known.
    pub fn at(&mut self, done: u64, total: Option<u64>) {
        match &mut self.0 {
            Shown::Bar(bar) => {
                bar.set_length(total.unwrap_or(done));
                bar.set_position(done);
            }
            Shown::Lines { lines, begun } => {
                if let Some(line) = lines.line(done, total, begun.elapsed()) {
                    eprintln!("{line}");
                }
            }
        }
    }
}

impl Drop for Progress {
    /// A bar is for the time of the work alone.
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Decides which steps are worth a line.
struct Lines {
    what: &'static str,
    unit: Unit,
    said_at: Duration,
    said_step: u64,
    said_done: u64,
}

impl Lines {
    fn new(what: &'static str, unit: Unit) -> Lines {
        Lines { what, unit, said_at: Duration::ZERO, said_step: 0, said_done: 0 }
    }

    /// A line at each tenth of the work, but seldom; and one after a long time.
    fn line(&mut self, done: u64, total: Option<u64>, now: Duration) -> Option<String> {
        let tenths = |total: u64| done.saturating_mul(10).checked_div(total).unwrap_or(0);
        let step = total.map_or(0, tenths);
        let silent = now.saturating_sub(self.said_at);
        let due = (step > self.said_step && silent >= SELDOM) || (done > self.said_done && silent >= LONG);
        if !due {
            return None;
        }
        (self.said_at, self.said_step, self.said_done) = (now, step, done);
        Some(self.worded(done, total))
    }

    fn worded(&self, done: u64, total: Option<u64>) -> String {
        let amount = |number: u64| match self.unit {
            Unit::Bytes => HumanBytes(number).to_string(),
            Unit::Things(_) => grouped(number),
        };
        let of = total.map_or_else(String::new, |total| format!(" of {}", amount(total)));
        let name = match self.unit {
            Unit::Bytes => "sent",
            Unit::Things(name) => name,
        };
        format!("{}: {}{of} {name}", self.what, amount(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_at_each_tenth_but_seldom() {
        let mut lines = Lines::new("import", Unit::Things("rows"));
        let mut said = Vec::new();
        // A million rows, ten thousand of them a second: a tenth takes ten seconds.
        for second in 0..=100_u64 {
            said.extend(lines.line(second * 10_000, Some(1_000_000), Duration::from_secs(second)));
        }
        assert_eq!(said.len(), 10, "{said:?}");
        assert_eq!(said[1], "import: 200,000 of 1,000,000 rows");
        // The same in a second: nothing is worth a line.
        let mut lines = Lines::new("import", Unit::Things("rows"));
        assert!((0..=100).all(|n| lines.line(n, Some(100), Duration::from_millis(n * 10)).is_none()));
    }

    #[test]
    fn what_goes_slowly_or_has_no_known_end_is_not_silent_for_long() {
        let mut lines = Lines::new("import", Unit::Bytes);
        assert_eq!(lines.line(1024, None, Duration::from_secs(29)), None);
        let line = lines.line(2048, None, Duration::from_secs(30)).expect("due");
        assert_eq!(line, "import: 2.00 KiB sent");
        assert_eq!(lines.line(2048, None, Duration::from_secs(90)), None, "nothing new is not worth a line");
    }
}
