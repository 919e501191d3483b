//! Whether the chain is whole: read again from its first row to its head.

use super::chain::{Hash, Head, Row, hash};
use crate::db::{Conn, Db, is_transient};
use crate::{fetch_all, fetch_one};
use std::fmt;
use std::str::FromStr;

/// How many rows are read at once.
const PAGE: i64 = 2000;

/// What is written of a head: `PLACE:HASH`, the hash in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// A place.
    pub place: i64,
    /// The hash of the row there.
    pub hash: Hash,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.place)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let (place, digits) = text.split_once(':').ok_or(NoMark)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoMark);
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| NoMark)?;
        }
        Ok(Mark { place: place.parse().map_err(|_| NoMark)?, hash })
    }
}

/// A text that is no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no PLACE:HASH, a number and 64 hexadecimal digits")]
pub struct NoMark;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The head, as far as the chain is whole: what to keep elsewhere.
    pub head: Mark,
    /// Rows that are not chained yet. Where a service runs, they wait for moments.
    pub waiting: i64,
    /// What is wrong; nothing, where the chain is whole.
    pub broken: Option<Broken>,
}

/// How a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A row is gone, or was moved.
    #[error("there is no row at place {0}: it was deleted or moved")]
    Gap(i64),
    /// A row is not what was hashed.
    #[error("the row at place {0} is not the one that was written there: it, or its order, was changed")]
    Changed(i64),
    /// A row cannot be read at all.
    #[error("a row after place {0} cannot be read: it was changed")]
    Unreadable(i64),
    /// Rows where there can be none.
    #[error("there are rows outside of the chain: places were changed")]
    Outside,
    /// The head is not the last row's.
    #[error("the head at place {0} is not the last row's: the end was cut off, or the head was changed")]
    Head(i64),
    /// Not what was expected at a place that was written down elsewhere.
    #[error("the row at place {0} is not the one you expect: the chain was cut off or made anew")]
    Unexpected(i64),
}

/// Reads the whole chain. `expected` is a mark that was written down before, elsewhere.
///
/// # Errors
/// The database.
pub async fn verify(db: &Db, expected: Option<Mark>) -> sqlx::Result<Report> {
    let mut reader = db.read().await?;
    let (place, last): (i64, Vec<u8>) =
        fetch_one!(reader.conn(), (i64, Vec<u8>), "select place, hash from audit_head")?;
    let head = Head { place, hash: last };
    let mut walk = Walk { at: Mark { place: 0, hash: [0; 32] }, expected };
    let broken = match walk.to(&mut reader, &head).await? {
        None => outside(reader.conn()).await?,
        broken => broken,
    };
    let (waiting,): (i64,) =
        fetch_one!(reader.conn(), (i64,), "select count(*) from audit where place is null")?;
    Ok(Report { head: walk.at, waiting, broken })
}

/// How far the chain was read, and found whole.
struct Walk {
    at: Mark,
    expected: Option<Mark>,
}

impl Walk {
    async fn to(&mut self, reader: &mut crate::Reader, head: &Head) -> sqlx::Result<Option<Broken>> {
        while self.at.place < head.place {
            let rows = match page(reader.conn(), self.at.place, head.place).await {
                Ok(rows) => rows,
                Err(error) if is_transient(&error) => return Err(error),
                Err(_) => return Ok(Some(Broken::Unreadable(self.at.place))),
            };
            if rows.is_empty() {
                return Ok(Some(Broken::Gap(self.at.place + 1)));
            }
            for row in &rows {
                if let Some(broken) = self.step(row) {
                    return Ok(Some(broken));
                }
            }
        }
        Ok(if self.at.hash != head.hash.as_slice() || self.at.place != head.place {
            Some(Broken::Head(head.place))
        } else {
            self.expected.filter(|expected| expected.place > head.place).map(|e| Broken::Unexpected(e.place))
        })
    }

    fn step(&mut self, row: &Row) -> Option<Broken> {
        let place = self.at.place + 1;
        if row.place != Some(place) {
            return Some(Broken::Gap(place));
        }
        let found = hash(row, place, &self.at.hash);
        if row.hash.as_deref() != Some(found.as_slice()) {
            return Some(Broken::Changed(place));
        }
        self.at = Mark { place, hash: found };
        let unexpected = self.expected.is_some_and(|expected| expected.place == place && expected != self.at);
        unexpected.then_some(Broken::Unexpected(place))
    }
}

async fn page(conn: Conn<'_>, after: i64, to: i64) -> sqlx::Result<Vec<Row>> {
    fetch_all!(
        conn,
        Row,
        "select id, at, account_id, actor, role, action, ids, request_id, place, hash
           from audit where place > $1 and place <= $2 order by place limit $3",
        after,
        to,
        PAGE
    )
}

/// Rows before the first place or after the head. One statement, so that a chain that grows meanwhile is none.
async fn outside(conn: Conn<'_>) -> sqlx::Result<Option<Broken>> {
    let (rows,): (i64,) = fetch_one!(
        conn,
        (i64,),
        "select (select count(*) from audit where place < 1)
              + (select count(*) from audit where place > (select place from audit_head))"
    )?;
    Ok((rows > 0).then_some(Broken::Outside))
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn a_mark_reads_as_it_is_written() {
        let mark = Mark { place: 7, hash: [0xab; 32] };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for text in
            ["", "7", "7:ab", "x:", &format!("7:{}", "é".repeat(32)), &format!("7:{}", "g".repeat(64))]
        {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}
