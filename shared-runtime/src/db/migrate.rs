//! Brings a database's schema up to date. One text serves both databases, see `migrations/`.

use super::Db;
use sqlx::AssertSqlSafe;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

/// One step of a schema: its number, its name, its text.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Steps run in the order of their numbers, each once.
    pub number: i64,
    /// What it does, for the table of steps.
    pub name: &'static str,
    /// SQL with placeholders, see `render`.
    pub sql: &'static str,
}

pub(super) async fn run(db: &Db, steps: &[Step]) -> Result<(), MigrateError> {
    let postgres = matches!(db, Db::Postgres(_));
    let migrations = steps
        .iter()
        .map(|step| {
            // The text comes from our own files, never from input.
            let sql = AssertSqlSafe(render(step.sql, postgres)).into_sql_str();
            Migration::new(step.number, step.name.into(), MigrationType::Simple, sql, false)
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    // A newer copy of the service may have added steps already: rolling upgrades run one version apart.
    migrator.set_ignore_missing(true);
    match db {
        Db::Postgres(pool) => migrator.run(pool).await,
        Db::Sqlite { write, .. } => migrator.run(write).await,
    }
}

/// Types that differ stand as words in braces; lines for one database alone stand between
/// `-- only postgres` or `-- only sqlite` and `-- end`.
fn render(text: &str, postgres: bool) -> String {
    let types: [(&str, &str, &str); 7] = [
        (
            "{identity}",
            "bigint generated always as identity primary key",
            "integer primary key autoincrement",
        ),
        ("{uuid}", "uuid", "blob"),
        ("{time}", "timestamptz", "text"),
        ("{json}", "jsonb", "text"),
        ("{bytes}", "bytea", "blob"),
        ("{date}", "date", "text"),
        ("{bool}", "boolean", "boolean"),
    ];
    let mut kept = String::with_capacity(text.len());
    let mut wanted = true;
    for line in text.lines() {
        match line.trim() {
            "-- only postgres" => wanted = postgres,
            "-- only sqlite" => wanted = !postgres,
            "-- end" => wanted = true,
            _ if wanted => {
                kept.push_str(line);
                kept.push('\n');
            }
            _ => {}
        }
    }
    types.iter().fold(kept, |sql, (word, on_postgres, on_sqlite)| {
        sql.replace(word, if postgres { on_postgres } else { on_sqlite })
    })
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn one_text_reads_as_either_dialect() {
        let text = "a {uuid}\n-- only postgres\nb\n-- end\n-- only sqlite\nc\n-- end\nd\n";
        assert_eq!(render(text, true), "a uuid\nb\nd\n");
        assert_eq!(render(text, false), "a blob\nc\nd\n");
    }
}
