//! Dates of birth, one by one and a column at a time.

use chrono::NaiveDate;
use csv_intake::dates::{Ambiguous, Order, Sniffer, parse};
use proptest::prelude::*;

fn order(values: &[&str]) -> Result<Option<Order>, Ambiguous> {
    let mut sniffer = Sniffer::default();
    values.iter().for_each(|value| sniffer.push(value));
    sniffer.order()
}

#[test]
fn forms_that_are_one_day_only() {
    let day = NaiveDate::from_ymd_opt(1980, 1, 31);
    for text in [
        "1980-01-31",
        "1980/01/31",
        "1980.1.31",
        " 1980-01-31 ",
        "1980-01-31 00:00",
        "1980-01-31T00:00:00Z",
        "1980-01-31 00:00:00.000",
        "1980-01-31T00:00:00+00:00",
        "31/01/1980",
        "31.1.1980",
        "31-01-1980",
        "31 01 1980",
        "31/01/1980 00:00:00",
        "1/31/1980",
        "1/31/1980 12:00:00 AM",
        "1/31/1980 0:00",
    ] {
        assert_eq!(parse(text, None).ok(), day, "{text}");
    }
    assert_eq!(parse("05/05/1980", None).ok(), NaiveDate::from_ymd_opt(1980, 5, 5));
}

#[test]
fn an_order_is_followed_and_never_turned_round() {
    let (april, march) = (NaiveDate::from_ymd_opt(1980, 4, 3), NaiveDate::from_ymd_opt(1980, 3, 4));
    assert_eq!(
        (parse("03/04/1980", Some(Order::Dmy)).ok(), parse("03/04/1980", Some(Order::Mdy)).ok()),
        (april, march)
    );
    assert!(parse("01/31/1980", Some(Order::Dmy)).is_err_and(|why| why.contains("day, month, year")));
    assert!(parse("31/01/1980", Some(Order::Mdy)).is_err_and(|why| why.contains("month, day, year")));
    assert!(parse("03/04/1980", None).is_err_and(|why| why.contains("date_order")));
}

#[test]
fn what_is_no_date_is_told_what_to_do() {
    for (text, words) in [
        ("31/02/1980", "no day of the calendar"),
        ("1980-02-31", "no day of the calendar"),
        ("29.02.1900", "no day of the calendar"),
        ("0/0/1980", "no day of the calendar"),
        ("01/02/80", "four digits"),
        ("1-2-3", "four digits"),
        ("29251", "spreadsheet"),
        ("", "empty"),
        ("  ", "empty"),
        ("1980-01-31 13:00", "time of day"),
        ("1/31/1980 12:30 AM", "time of day"),
        ("1/31/1980 12:00 PM", "time of day"),
        ("unknown", "YYYY-MM-DD"),
        ("31/01-1980", "YYYY-MM-DD"),
        ("1980-01", "YYYY-MM-DD"),
        ("19800131", "YYYY-MM-DD"),
        ("٣١/٠١/١٩٨٠", "YYYY-MM-DD"),
        ("1980 01 31", "YYYY-MM-DD"),
        ("+1/2/1980", "YYYY-MM-DD"),
        (":", "YYYY-MM-DD"),
        ("31/01/19800", "YYYY-MM-DD"),
        ("1/2/3/1980", "YYYY-MM-DD"),
        ("é:", "YYYY-MM-DD"),
    ] {
        for order in [None, Some(Order::Dmy), Some(Order::Mdy)] {
            assert!(
                parse(text, order).is_err_and(|why| why.contains(words)),
                "{text}: {:?}",
                parse(text, order)
            );
        }
    }
}

#[test]
fn a_column_says_its_order_or_is_asked() {
    assert_eq!(order(&[]), Ok(None));
    assert_eq!(order(&["1980-03-04", "", "05/05/1980", "31/02/1980", "n/a"]), Ok(None));
    assert_eq!(order(&["03/04/1980", "13/04/1980"]), Ok(Some(Order::Dmy)));
    assert_eq!(order(&["04/13/1980", "03/04/1980"]), Ok(Some(Order::Mdy)));
    let undecided = Ambiguous::Undecided { rows: 2 };
    assert_eq!(order(&["03/04/1980", "05/06/1980", "07/07/1980"]), Err(undecided));
    let mixed = Ambiguous::Mixed { dmy: 1, mdy: 2 };
    assert_eq!(order(&["13/04/1980", "04/13/1980", "04/14/1980", "01/02/1980"]), Err(mixed));
    for said in [undecided.to_string(), mixed.to_string()] {
        assert!(said.contains("date_order=dmy or date_order=mdy"), "{said}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_date_or_told(text in "\\PC{0,20}|[0-9:/. TZ-]{0,20}") {
        Sniffer::default().push(&text);
        for order in [None, Some(Order::Dmy), Some(Order::Mdy)] {
            let _ = parse(&text, order);
        }
    }

    #[test]
    fn every_day_is_read_in_every_form(days in 0i32..60_000, separator in "[-/.]") {
        let day = NaiveDate::from_num_days_from_ce_opt(693_000 + days).expect("a day");
        let form = |form: &str| day.format(&form.replace('~', &separator)).to_string();
        prop_assert_eq!(parse(&form("%Y~%m~%d"), None), Ok(day));
        prop_assert_eq!(parse(&form("%d~%m~%Y"), Some(Order::Dmy)), Ok(day));
        prop_assert_eq!(parse(&form("%-m~%-d~%Y"), Some(Order::Mdy)), Ok(day));
    }
}
