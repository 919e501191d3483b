//! Inserts of many rows in one statement, written once for both databases.
//!
//! PostgreSQL takes one array per column (`unnest`), which keeps row order and costs one round trip
//! however many rows. SQLite has no arrays and no round trips: the same rows go one by one through one
//! prepared statement. This is the only module that composes SQL text; names come from the code alone.

use super::Tx;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Postgres, Sqlite, postgres::PgArguments, query::Query, sqlite::SqliteArguments};
use uuid::Uuid;

macro_rules! columns {
    ($( $name:ident($rust:ty) $pg:literal, )+) => {
        /// One column's values, a value a row.
        #[derive(Debug, Clone)]
        #[expect(missing_docs, reason = "each variant is named after what it holds")]
        pub enum Column { $( $name(Vec<$rust>), )+ }

        impl Column {
            fn len(&self) -> usize { match self { $( Column::$name(values) => values.len(), )+ } }

            fn pg_type(&self) -> &'static str { match self { $( Column::$name(_) => $pg, )+ } }

            fn bind_all<'q>(self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
                match self { $( Column::$name(values) => query.bind(values), )+ }
            }

            fn bind_one<'q>(&self, row: usize, query: Query<'q, Sqlite, SqliteArguments>) -> Query<'q, Sqlite, SqliteArguments> {
                match self { $( Column::$name(values) => query.bind(values[row].clone()), )+ }
            }
        }

        $( impl From<Vec<$rust>> for Column { fn from(values: Vec<$rust>) -> Self { Column::$name(values) } } )+
    };
}

columns! {
    Ids(Uuid) "uuid[]",
    MaybeIds(Option<Uuid>) "uuid[]",
    Texts(String) "text[]",
    MaybeTexts(Option<String>) "text[]",
    Numbers(i64) "bigint[]",
    MaybeNumbers(Option<i64>) "bigint[]",
    Flags(bool) "boolean[]",
    Times(DateTime<Utc>) "timestamptz[]",
    MaybeTimes(Option<DateTime<Utc>>) "timestamptz[]",
    MaybeDates(Option<NaiveDate>) "date[]",
    Documents(Json<Value>) "jsonb[]",
    Bytes(Vec<u8>) "bytea[]",
    MaybeBytes(Option<Vec<u8>>) "bytea[]",
}

/// Rows for one table.
#[derive(Debug, Clone)]
pub struct Rows {
    table: &'static str,
    names: Vec<&'static str>,
    columns: Vec<Column>,
}

impl Rows {
    /// Rows for `table`, without columns yet.
    pub fn of(table: &'static str) -> Rows {
        Rows { table, names: Vec::new(), columns: Vec::new() }
    }

    /// Adds a column. Every column must have the same number of values.
    #[must_use]
    pub fn with(mut self, name: &'static str, values: impl Into<Column>) -> Rows {
        self.names.push(name);
        self.columns.push(values.into());
        self
    }

    /// Adds a column, its values read from `items` by `value`.
    #[must_use]
    pub fn from<T, V>(self, items: &[T], name: &'static str, value: impl Fn(&T) -> V) -> Rows
    where
        Vec<V>: Into<Column>,
    {
        self.with(name, items.iter().map(value).collect::<Vec<V>>())
    }

    fn count(&self) -> usize {
        let count = self.columns.first().map_or(0, Column::len);
        debug_assert!(
            self.columns.iter().all(|column| column.len() == count),
            "ragged rows for {}",
            self.table
        );
        count
    }
}

impl Tx {
    /// Inserts the rows; `tail` is what follows, such as `on conflict do nothing`. Returns how many
    /// rows were inserted or changed.
    pub async fn insert(&mut self, rows: Rows, tail: &'static str) -> sqlx::Result<u64> {
        let count = rows.count();
        if count == 0 {
            return Ok(0);
        }
        let names = rows.names.join(", ");
        match self {
            Tx::Postgres(tx) => {
                let arrays: Vec<String> = rows
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(place, column)| format!("${}::{}", place + 1, column.pg_type()))
                    .collect();
                // `where true` lets the parser tell an upsert from a join; PostgreSQL does not mind it.
                let sql = format!(
                    "insert into {} ({names}) select * from unnest({}) as t({names}) where true {tail}",
                    rows.table,
                    arrays.join(", ")
                );
                let query = sqlx::query(AssertSqlSafe(sql));
                let query = rows.columns.into_iter().fold(query, |query, column| column.bind_all(query));
                query.execute(&mut **tx).await.map(|done| done.rows_affected())
            }
            Tx::Sqlite(tx) => {
                let places: Vec<String> = (1..=rows.names.len()).map(|place| format!("${place}")).collect();
                let sql =
                    format!("insert into {} ({names}) values ({}) {tail}", rows.table, places.join(", "));
                let mut changed = 0;
                for row in 0..count {
                    let query = sqlx::query(AssertSqlSafe(sql.as_str()));
                    let query = rows.columns.iter().fold(query, |query, column| column.bind_one(row, query));
                    changed += query.execute(&mut **tx).await?.rows_affected();
                }
                Ok(changed)
            }
        }
    }
}
