//! What a service of a test's own has kept: its events and its rows.

use crate::world::{CLINIC, World, account};
use invites_service::store::invites as store;
use invites_service::tokens::Reset;
use shared_events::Event;
use shared_runtime::fetch_all;
use uuid::Uuid;

impl World {
    /// The names of a stream's events, in order.
    pub async fn history(&self, stream: Uuid) -> Vec<String> {
        let mut reader = self.service.core().db.read().await.expect("a reader");
        let rows = fetch_all!(
            reader.conn(),
            (String,),
            "select type from events where stream_id = $1 order by version",
            stream
        );
        rows.expect("rows").into_iter().map(|(name,)| name).collect()
    }

    /// The token that a mail would hold: of the newest reset of a login that was asked for.
    pub async fn reset_token(&self, user: Uuid) -> String {
        let core = self.service.core();
        let mut reader = core.db.read().await.expect("a reader");
        let stream = core.log.load_one(reader.conn(), user).await.expect("a stream");
        let asked = stream.iter().rev().find_map(|recorded| match &recorded.event {
            Event::PasswordResetRequested(asked) => Some(asked.clone()),
            _ => None,
        });
        let asked = asked.expect("a reset was asked for");
        let reset = Reset { user_id: user, reset_no: asked.reset_no };
        let link = self.service.logins().tokens.reset_link(&asked.token_key_id, reset).expect("a link");
        link.reveal().split_once("/r#").expect("its form").1.to_owned()
    }

    /// Every row is what its stream, folded anew, says: rows can be made again from the log.
    pub async fn rows_are_their_streams(&self) {
        let core = self.service.core();
        let mut reader = core.db.read().await.expect("a reader");
        let ids: Vec<(Uuid,)> = fetch_all!(reader.conn(), (Uuid,), "select id from invites").expect("ids");
        assert!(!ids.is_empty());
        for (id,) in ids {
            let stream = core.log.load_one(reader.conn(), id).await.expect("a stream");
            let folded = invites_service::desk::fold(&stream);
            let row = store::find(reader.conn(), &account(CLINIC), id).await.expect("a read");
            assert_eq!(row, folded.known().map(|invite| store::Row::of(id, invite)));
        }
    }

    /// A number from the database.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let mut reader = self.service.core().db.read().await.expect("a reader");
        fetch_all!(reader.conn(), (i64,), sql).expect(sql)[0].0
    }

    /// All that is kept, row by row: what changes nothing leaves it as it is.
    pub async fn everything(&self) -> Vec<String> {
        const POSTGRES: [&str; 9] = [
            "select cast(t as text) from events t order by id",
            "select cast(t as text) from accounts t order by user_id",
            "select cast(t as text) from account_patients t order by user_id",
            "select cast(t as text) from account_sessions t order by user_id",
            "select cast(t as text) from invites t order by id",
            "select cast(t as text) from invite_links t order by invite_id",
            "select cast(t as text) from known_patients t order by id",
            "select cast(t as text) from limits t order by key",
            "select cast(t as text) from idempotency t order by key",
        ];
        const SQLITE: [&str; 9] = [
            "select id || type || data from events order by id",
            "select hex(user_id) || password_hash || failed_sign_ins || version from accounts order by user_id",
            "select hex(user_id) || hex(patient_id) from account_patients order by user_id",
            "select hex(token_hash) || idle_until || ends_at from account_sessions order by token_hash",
            "select hex(id) || version || status || updated_at from invites order by id",
            "select hex(invite_id) || mailed_issue from invite_links order by invite_id",
            "select hex(id) || version || status from known_patients order by id",
            "select hex(key) || until from limits order by key",
            "select account_id || key from idempotency order by key",
        ];
        let mut reader = self.service.core().db.read().await.expect("a reader");
        let postgres = matches!(reader.conn(), shared_runtime::Conn::Postgres(_));
        let mut all = Vec::new();
        for sql in if postgres { POSTGRES } else { SQLITE } {
            let rows = fetch_all!(reader.conn(), (String,), sql).expect(sql);
            all.extend(rows.into_iter().map(|(row,)| row));
        }
        all
    }

    /// Bytes from the database.
    pub async fn bytes(&self, sql: &'static str) -> Vec<u8> {
        let mut reader = self.service.core().db.read().await.expect("a reader");
        fetch_all!(reader.conn(), (Vec<u8>,), sql).expect(sql).remove(0).0
    }

    /// Runs one statement in a transaction of its own.
    pub async fn execute(&self, sql: &'static str) {
        let mut tx = self.service.core().db.begin().await.expect("a transaction");
        shared_runtime::execute!(tx.conn(), sql).expect(sql);
        tx.commit().await.expect("committed");
    }
}
