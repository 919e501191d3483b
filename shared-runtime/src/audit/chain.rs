//! The chain: each row's hash covers the row and the hash before it.
//!
//! Rows are chained after they are committed, under a lock that is a statement of its own, as events are numbered on
//! PostgreSQL and for the same reasons (`log::number`): whoever commits late comes later, and is not skipped. On SQLite
//! nobody commits late; the step is the same.

use crate::db::{Db, Tx};
use crate::{execute, fetch_all, fetch_one};
use aws_lc_rs::digest::{Context, SHA256};
use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

/// How many rows are chained in one transaction.
const BATCH: i64 = 1000;
/// What is hashed first. A row that is one day to be hashed otherwise says so here.
const FORM: &[u8] = b"patient-first audit 1";

/// A hash, and before the first row 32 zeros.
pub type Hash = [u8; 32];

/// A row as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    /// Its number in the order of writing, which has gaps.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The clinic.
    pub account_id: String,
    /// `staff:ID` or `patient`.
    pub actor: String,
    /// The caller's role.
    pub role: Option<String>,
    /// `<thing>.<verb>`.
    pub action: String,
    /// What it was about.
    pub ids: Json<Vec<Uuid>>,
    /// The request's name.
    pub request_id: String,
    /// Its place in the chain, from 1 without gaps; none while it waits for it.
    pub place: Option<i64>,
    /// Its hash.
    pub hash: Option<Vec<u8>>,
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The last place; 0 while there is none.
    pub place: i64,
    /// The hash of the row there.
    pub hash: Vec<u8>,
}

/// The row's hash at a place, after the hash `before`.
pub fn hash(row: &Row, place: i64, before: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(FORM);
    context.update(before);
    for number in [place, row.id, row.at.timestamp_micros()] {
        context.update(&number.to_be_bytes());
    }
    // Every text has its length before it, so that no two rows read as the same bytes.
    let texts = [&row.account_id, &row.actor, &row.action, &row.request_id];
    for text in texts.into_iter().chain(&row.role) {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    context.update(&[u8::from(row.role.is_some())]);
    context.update(&(row.ids.len() as u64).to_be_bytes());
    for id in &row.ids.0 {
        context.update(id.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Chains one batch of committed rows; tells how many. Any number of copies may do this at the same time.
pub async fn chain_once(db: &Db) -> sqlx::Result<u64> {
    let mut tx = db.begin().await?;
    let chained = within(&mut tx).await?;
    tx.commit().await?;
    Ok(chained)
}

/// Chains until nothing waits.
pub async fn chain_all(db: &Db) -> sqlx::Result<u64> {
    let mut chained = 0;
    loop {
        match chain_once(db).await? {
            0 => return Ok(chained),
            some => chained += some,
        }
    }
}

async fn within(tx: &mut Tx) -> sqlx::Result<u64> {
    let head = lock_head(tx).await?;
    let rows = waiting(tx).await?;
    let mut links = Vec::with_capacity(rows.len());
    let mut last = head;
    for row in &rows {
        let place = last.place + 1;
        last = Head { place, hash: hash(row, place, &last.hash).to_vec() };
        links.push((row.id, last.clone()));
    }
    if links.is_empty() {
        return Ok(0);
    }
    link(tx, &links).await?;
    execute!(tx.conn(), "update audit_head set place = $1, hash = $2", last.place, last.hash)?;
    Ok(links.len() as u64)
}

async fn lock_head(tx: &mut Tx) -> sqlx::Result<Head> {
    let (place, hash): (i64, Vec<u8>) = match tx {
        // A statement of its own: what the next one sees was committed before the lock was had.
        Tx::Postgres(tx) => {
            sqlx::query_as("select place, hash from audit_head for update").fetch_one(&mut **tx).await?
        }
        Tx::Sqlite(_) => fetch_one!(tx.conn(), (i64, Vec<u8>), "select place, hash from audit_head")?,
    };
    Ok(Head { place, hash })
}

async fn waiting(tx: &mut Tx) -> sqlx::Result<Vec<Row>> {
    fetch_all!(
        tx.conn(),
        Row,
        "select id, at, account_id, actor, role, action, ids, request_id, place, hash
           from audit where place is null order by id limit $1",
        BATCH
    )
}

async fn link(tx: &mut Tx, links: &[(i64, Head)]) -> sqlx::Result<()> {
    match tx {
        Tx::Postgres(tx) => {
            let ids: Vec<i64> = links.iter().map(|(id, _)| *id).collect();
            let places: Vec<i64> = links.iter().map(|(_, head)| head.place).collect();
            let hashes: Vec<Vec<u8>> = links.iter().map(|(_, head)| head.hash.clone()).collect();
            sqlx::query(
                "update audit set place = link.place, hash = link.hash
                   from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as link(id, place, hash)
                  where audit.id = link.id",
            )
            .bind(ids)
            .bind(places)
            .bind(hashes)
            .execute(&mut **tx)
            .await
            .map(drop)
        }
        Tx::Sqlite(_) => {
            for (id, head) in links {
                let sql = "update audit set place = $2, hash = $3 where id = $1";
                execute!(tx.conn(), sql, id, head.place, &head.hash)?;
            }
            Ok(())
        }
    }
}
