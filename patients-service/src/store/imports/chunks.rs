//! The rows of imports, some hundred to a chunk.

use crate::import::chunk::Outcome;
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_optional};
use sqlx::types::Json;
use uuid::Uuid;

/// A chunk about to be kept.
#[derive(Debug, Clone)]
pub struct NewChunk {
    /// Counts the chunks of an import, from 0.
    pub number: i64,
    /// Its first row, from 1.
    pub first_row: i64,
    /// How many rows.
    pub rows: i64,
    /// The rows, each sealed.
    pub sealed: Vec<u8>,
}

/// A chunk as it is kept.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Chunk {
    /// Counts the chunks of an import, from 0.
    pub chunk_no: i64,
    /// Its first row, from 1.
    pub first_row: i64,
    /// The rows, each sealed.
    pub sealed: Vec<u8>,
    /// What became of each row; none before it was carried out.
    pub outcomes: Option<Json<Vec<Outcome>>>,
}

/// Keeps chunks.
pub async fn keep(tx: &mut Tx, import: Uuid, chunks: &[NewChunk]) -> sqlx::Result<()> {
    let rows = Rows::of("import_chunks")
        .from(chunks, "import_id", |_| import)
        .from(chunks, "chunk_no", |chunk| chunk.number)
        .from(chunks, "first_row", |chunk| chunk.first_row)
        .from(chunks, "rows", |chunk| chunk.rows)
        .from(chunks, "sealed", |chunk| chunk.sealed.clone())
        .from(chunks, "failed", |_| 0_i64)
        .from(chunks, "open", |_| true);
    tx.insert(rows, "").await.map(drop)
}

/// The next chunks that have rows without an end.
pub async fn open(tx: &mut Tx, import: Uuid, most: i64) -> sqlx::Result<Vec<Chunk>> {
    fetch_all!(
        tx.conn(),
        Chunk,
        "select chunk_no, first_row, sealed, outcomes from import_chunks
          where import_id = $1 and open order by chunk_no limit $2",
        import,
        most
    )
}

/// Keeps what became of a chunk's rows, and of the rows themselves only those that failed.
pub async fn close(
    tx: &mut Tx,
    import: Uuid,
    number: i64,
    failed: i64,
    sealed: &[u8],
    outcomes: &[Outcome],
) -> sqlx::Result<()> {
    execute!(
        tx.conn(),
        "update import_chunks set outcomes = $3, failed = $4, sealed = $5, open = false
          where import_id = $1 and chunk_no = $2",
        import,
        number,
        Json(outcomes),
        failed,
        sealed
    )
    .map(drop)
}

/// Opens every chunk that has failed rows once more.
pub async fn open_failed(tx: &mut Tx, import: Uuid) -> sqlx::Result<u64> {
    execute!(
        tx.conn(),
        "update import_chunks set open = true where import_id = $1 and failed > 0 and not open",
        import
    )
}

/// Chunks that hold `row` or what comes after it; those with failed rows alone where only these are wanted.
pub async fn from_row(
    conn: Conn<'_>,
    import: Uuid,
    row: i64,
    only_failed: bool,
    most: i64,
) -> sqlx::Result<Vec<Chunk>> {
    fetch_all!(
        conn,
        Chunk,
        "select chunk_no, first_row, sealed, outcomes from import_chunks
          where import_id = $1 and first_row + rows > $2 and outcomes is not null and (failed > 0 or not $3)
          order by chunk_no limit $4",
        import,
        row,
        only_failed,
        most
    )
}

/// The chunk after another.
pub async fn after(
    conn: Conn<'_>,
    import: Uuid,
    number: i64,
    only_failed: bool,
) -> sqlx::Result<Option<Chunk>> {
    fetch_optional!(
        conn,
        Chunk,
        "select chunk_no, first_row, sealed, outcomes from import_chunks
          where import_id = $1 and chunk_no > $2 and outcomes is not null and (failed > 0 or not $3)
          order by chunk_no limit 1",
        import,
        number,
        only_failed
    )
}
