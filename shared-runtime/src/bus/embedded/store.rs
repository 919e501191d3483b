//! Every statement of the embedded bus.

use serde_json::json;
use sqlx::SqliteConnection;
use std::time::Duration;
use uuid::Uuid;

/// A message with what one queue knows of it.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) pos: i64,
    pub(super) deliveries: i64,
    pub(super) id: Option<Uuid>,
    pub(super) routing_key: String,
    pub(super) body: Vec<u8>,
    pub(super) died_in: Option<String>,
}

/// Whether a commit waits for the disk. Without, it outlives a kill but perhaps not a power cut.
pub(super) async fn set_durable(connection: &mut SqliteConnection, durable: bool) -> sqlx::Result<()> {
    let pragma = if durable { "pragma synchronous = full" } else { "pragma synchronous = normal" };
    sqlx::raw_sql(pragma).execute(connection).await.map(drop)
}

/// Finds or makes a queue: its id, and the arguments it was made with.
pub(super) async fn queue(
    connection: &mut SqliteConnection,
    name: &str,
    arguments: &str,
) -> sqlx::Result<(i64, String)> {
    sqlx::query("insert into queue (name, arguments) values ($1, $2) on conflict do nothing")
        .bind(name)
        .bind(arguments)
        .execute(&mut *connection)
        .await?;
    sqlx::query_as("select id, arguments from queue where name = $1").bind(name).fetch_one(connection).await
}

pub(super) async fn count(connection: &mut SqliteConnection, queue: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from entry where queue = $1").bind(queue).fetch_one(connection).await
}

/// Entries that were handed out more often than the limit: the process died with them in hand.
pub(super) async fn spent(
    connection: &mut SqliteConnection,
    queue: i64,
    limit: u32,
) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar("select pos from entry where queue = $1 and deliveries > $2 order by pos")
        .bind(queue)
        .bind(limit)
        .fetch_all(connection)
        .await
}

pub(super) async fn last_pos(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    const LAST: &str =
        "select max(coalesce((select max(pos) from message), 0), coalesce((select max(pos) from entry), 0))";
    sqlx::query_scalar(LAST).fetch_one(connection).await
}

pub(super) async fn add_message(
    connection: &mut SqliteConnection,
    pos: i64,
    id: Uuid,
    routing_key: &str,
    body: &[u8],
) -> sqlx::Result<()> {
    const ADD: &str = "insert into message (pos, id, routing_key, body, published_at)
                       values ($1, $2, $3, $4, unixepoch())";
    let add = sqlx::query(ADD).bind(pos).bind(id).bind(routing_key).bind(body);
    add.execute(connection).await.map(drop)
}

/// The routing key of a message, where that queue still has it.
pub(super) async fn routing_key(
    connection: &mut SqliteConnection,
    queue: i64,
    pos: i64,
) -> sqlx::Result<Option<String>> {
    const KEY: &str = "select m.routing_key from entry e join message m on m.pos = e.pos
                       where e.queue = $1 and e.pos = $2";
    sqlx::query_scalar(KEY).bind(queue).bind(pos).fetch_optional(connection).await
}

/// A dead letter is a new message with the old one's content.
pub(super) async fn copy_message(
    connection: &mut SqliteConnection,
    from: i64,
    to: i64,
    died_in: &str,
) -> sqlx::Result<()> {
    const COPY: &str = "insert into message (pos, id, routing_key, body, died_in, published_at)
                        select $2, id, routing_key, body, $3, unixepoch() from message where pos = $1";
    sqlx::query(COPY).bind(from).bind(to).bind(died_in).execute(connection).await.map(drop)
}

/// Puts messages into a queue.
pub(super) async fn add_entries(
    connection: &mut SqliteConnection,
    queue: i64,
    positions: &[i64],
) -> sqlx::Result<()> {
    const ADD: &str = "insert into entry (queue, pos) select $1, value from json_each($2)";
    sqlx::query(ADD).bind(queue).bind(json!(positions).to_string()).execute(connection).await.map(drop)
}

/// Takes messages out of a queue for good. Says how many of them were still in it.
pub(super) async fn remove_entries(
    connection: &mut SqliteConnection,
    queue: i64,
    positions: &[i64],
) -> sqlx::Result<u64> {
    const REMOVE: &str = "delete from entry where queue = $1 and pos in (select value from json_each($2))";
    let remove = sqlx::query(REMOVE).bind(queue).bind(json!(positions).to_string());
    remove.execute(connection).await.map(|removed| removed.rows_affected())
}

/// Reads entries above a position, in order.
pub(super) async fn read_above(
    connection: &mut SqliteConnection,
    queue: i64,
    above: i64,
    limit: usize,
) -> sqlx::Result<Vec<Row>> {
    const READ: &str = "select e.pos, e.deliveries, m.id, m.routing_key, m.body, m.died_in
                        from entry e join message m on m.pos = e.pos
                        where e.queue = $1 and e.pos > $2 order by e.pos limit $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    sqlx::query_as(READ).bind(queue).bind(above).bind(limit).fetch_all(connection).await
}

/// Reads these entries, in order.
pub(super) async fn read_these(
    connection: &mut SqliteConnection,
    queue: i64,
    positions: &[i64],
) -> sqlx::Result<Vec<Row>> {
    const READ: &str = "select e.pos, e.deliveries, m.id, m.routing_key, m.body, m.died_in
                        from entry e join message m on m.pos = e.pos
                        where e.queue = $1 and e.pos in (select value from json_each($2)) order by e.pos";
    sqlx::query_as(READ).bind(queue).bind(json!(positions).to_string()).fetch_all(connection).await
}

/// Counts a delivery of each. Written before the handing out: a message that kills the process that
/// reads it must not do so for ever.
pub(super) async fn count_delivery(
    connection: &mut SqliteConnection,
    queue: i64,
    positions: &[i64],
) -> sqlx::Result<()> {
    const COUNT: &str = "update entry set deliveries = deliveries + 1
                         where queue = $1 and pos in (select value from json_each($2))";
    sqlx::query(COUNT).bind(queue).bind(json!(positions).to_string()).execute(connection).await.map(drop)
}

/// Deletes, of the `slice` messages above a position, those older than `age` that no queue has an
/// entry for. Returns where the next slice begins, or `None` once it met a message that is too young.
pub(super) async fn prune(
    connection: &mut SqliteConnection,
    above: i64,
    slice: u32,
    age: Duration,
) -> sqlx::Result<Option<i64>> {
    const END: &str = "select max(pos), coalesce(max(published_at) <= unixepoch() - $3, false)
                       from (select pos, published_at from message where pos > $1 order by pos limit $2)";
    // The queues are few, so each is asked by key; an index by position would cost every publish.
    const DELETE: &str = "delete from message where pos > $1 and pos <= $2
                          and published_at <= unixepoch() - $3
                          and not exists (select 1 from queue q join entry e on e.queue = q.id
                                          where e.pos = message.pos)";
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    let (end, all_old): (Option<i64>, bool) =
        sqlx::query_as(END).bind(above).bind(slice).bind(age).fetch_one(&mut *connection).await?;
    let Some(end) = end else { return Ok(None) };
    sqlx::query(DELETE).bind(above).bind(end).bind(age).execute(connection).await?;
    Ok(all_old.then_some(end))
}

#[cfg(test)]
mod tests {
    use super::super::file::open;
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn messages(connection: &mut SqliteConnection) -> Vec<i64> {
        sqlx::query_scalar("select pos from message order by pos").fetch_all(connection).await.expect("reads")
    }

    #[tokio::test]
    async fn only_what_is_old_and_settled_is_pruned() {
        let file = std::env::temp_dir().join(format!("pf-bus-prune-{}.db", std::process::id()));
        let mut connection = open(&file).await.expect("opens");
        let (queue, _) = self::queue(&mut connection, "queue", "arguments").await.expect("makes a queue");
        for pos in 1..=6 {
            add_message(&mut connection, pos, Uuid::from_u128(1), "key", b"body").await.expect("adds");
        }
        add_entries(&mut connection, queue, &[2, 5]).await.expect("adds");
        assert_eq!(prune(&mut connection, 0, 4, HOUR).await.expect("prunes"), None);
        assert_eq!(messages(&mut connection).await, [1, 2, 3, 4, 5, 6]);

        assert_eq!(prune(&mut connection, 0, 4, Duration::ZERO).await.expect("prunes"), Some(4));
        assert_eq!(messages(&mut connection).await, [2, 5, 6]);
        assert_eq!(prune(&mut connection, 4, 4, Duration::ZERO).await.expect("prunes"), Some(6));
        assert_eq!(prune(&mut connection, 6, 4, Duration::ZERO).await.expect("prunes"), None);
        assert_eq!(messages(&mut connection).await, [2, 5]);

        remove_entries(&mut connection, queue, &[2]).await.expect("removes");
        prune(&mut connection, 0, 4, Duration::ZERO).await.expect("prunes");
        assert_eq!(messages(&mut connection).await, [5]);
        std::fs::remove_file(file).expect("removes the file");
    }
}
