//! Dates of birth as clinics write them: the order of day and month is decided once for a whole column, or asked for.

use chrono::NaiveDate;

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// Why a column's order is not known. The text is for the person who sent the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// Every date may be read either way.
    #[error(
        "{rows} dates may be read as day/month or as month/day, and no other date in the column says which: \
         say date_order=dmy or date_order=mdy, or write them as YYYY-MM-DD"
    )]
    Undecided {
        /// How many differ by how they are read.
        rows: u64,
    },
    /// Some can only be one, some only the other.
    #[error(
        "{dmy} dates can only be day/month/year and {mdy} only month/day/year: say date_order=dmy or date_order=mdy \
         and the others are refused row by row, or write them as YYYY-MM-DD"
    )]
    Mixed {
        /// How many are only day, month, year.
        dmy: u64,
        /// How many are only month, day, year.
        mdy: u64,
    },
}

/// Looks at every date of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sniffer {
    only_dmy: u64,
    only_mdy: u64,
    either: u64,
}

impl Sniffer {
    /// Looks at one value. What is no date, or is the same date both ways, says nothing.
    pub fn push(&mut self, text: &str) {
        let Ok(Written::Short { first, second, year }) = read(text) else { return };
        match (date(year, second, first), date(year, first, second)) {
            (Some(dmy), Some(mdy)) => self.either += u64::from(dmy != mdy),
            (Some(_), None) => self.only_dmy += 1,
            (None, Some(_)) => self.only_mdy += 1,
            (None, None) => {}
        }
    }

    /// The column's order. `None`: no date needs one.
    pub fn order(&self) -> Result<Option<Order>, Ambiguous> {
        match (self.only_dmy, self.only_mdy, self.either) {
            (0, 0, 0) => Ok(None),
            (0, 0, rows) => Err(Ambiguous::Undecided { rows }),
            (_, 0, _) => Ok(Some(Order::Dmy)),
            (0, _, _) => Ok(Some(Order::Mdy)),
            (dmy, mdy, _) => Err(Ambiguous::Mixed { dmy, mdy }),
        }
    }
}

/// Reads one date: `YYYY-MM-DD`, or day, month and a year of four digits in this order, with `-`, `/`, `.` or a space
/// between; a time of midnight after it is no harm. Without an order, only what reads the same both ways, or has only one
/// way. The error says what to do; the value is not in it.
pub fn parse(text: &str, order: Option<Order>) -> Result<NaiveDate, &'static str> {
    const NO_DAY: &str = "is no day of the calendar";
    let (first, second, year) = match read(text)? {
        Written::Iso { year, month, day } => return date(year, month, day).ok_or(NO_DAY),
        Written::Short { first, second, year } => (first, second, year),
    };
    match (order, date(year, second, first), date(year, first, second)) {
        (_, None, None) => Err(NO_DAY),
        (Some(Order::Dmy), Some(date), _) | (Some(Order::Mdy), _, Some(date)) => Ok(date),
        (Some(Order::Dmy), None, _) => {
            Err("is no date in the order day, month, year: write it as YYYY-MM-DD")
        }
        (Some(Order::Mdy), _, None) => {
            Err("is no date in the order month, day, year: write it as YYYY-MM-DD")
        }
        (None, Some(dmy), Some(mdy)) if dmy != mdy => Err(
            "may be day/month or month/day: say date_order=dmy or date_order=mdy, or write it as YYYY-MM-DD",
        ),
        (None, Some(date), _) | (None, None, Some(date)) => Ok(date),
    }
}

/// The numbers of a date, not yet looked up in the calendar.
enum Written {
    Iso { year: i32, month: u32, day: u32 },
    Short { first: u32, second: u32, year: i32 },
}

fn read(text: &str) -> Result<Written, &'static str> {
    const FORM: &str = "is no date: write it as YYYY-MM-DD";
    let text = without_midnight(text.trim())?;
    let separator = text.chars().find(|c| !c.is_ascii_digit()).ok_or_else(|| digits_only(text))?;
    if !matches!(separator, '-' | '/' | '.' | ' ') {
        return Err(FORM);
    }
    let mut parts = text.split(separator);
    let (Some(a), Some(b), Some(c), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(FORM);
    };
    let number = |part: &str| {
        let digits = (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse::<u32>().map_err(|_| FORM) } else { Err(FORM) }
    };
    let (x, y, z) = (number(a)?, number(b)?, number(c)?);
    match (a.len(), b.len(), c.len()) {
        (4, 1 | 2, 1 | 2) if separator != ' ' => Ok(Written::Iso { year: x.cast_signed(), month: y, day: z }),
        (1 | 2, 1 | 2, 4) => Ok(Written::Short { first: x, second: y, year: z.cast_signed() }),
        (1 | 2, 1 | 2, 1..=3) => Err("has no year of four digits: write it as YYYY-MM-DD"),
        _ => Err(FORM),
    }
}

/// What to say of digits without anything between them.
fn digits_only(text: &str) -> &'static str {
    match text.len() {
        0 => "is empty",
        5 => {
            "is the number that a spreadsheet keeps for a date: give the column a date format and export it again"
        }
        _ => "is no date: write it as YYYY-MM-DD",
    }
}

/// The date before a time of midnight, as databases and spreadsheets export days. Another time is refused: what it was
/// converted from, and whether over midnight, nobody knows.
fn without_midnight(text: &str) -> Result<&str, &'static str> {
    let Some(colon) = text.find(':') else { return Ok(text) };
    let before = &text[..colon];
    let split = before.rfind(['T', ' ']).ok_or("is no date: write it as YYYY-MM-DD")?;
    let (date, time) = (text[..split].trim_end(), &text[split + 1..]);
    let zero = |time: &str| time.chars().all(|c| matches!(c, '0' | ':' | '.')) && !time.is_empty();
    let midnight = match time.strip_suffix(" AM").or_else(|| time.strip_suffix(" am")) {
        Some(clock) => clock.strip_prefix("12").is_some_and(zero),
        None => zero(time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time)),
    };
    if midnight { Ok(date) } else { Err("has a time of day: write the date alone, as YYYY-MM-DD") }
}

fn date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month, day)
}
