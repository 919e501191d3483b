//! Persons' logins: unique by normalised address and slot. The only place where password hashes stand.

use chrono::{DateTime, Utc};
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_all, fetch_by_texts, fetch_optional};
use std::collections::HashMap;
use uuid::Uuid;

/// How many wrong passwords lock a login until it is reset.
pub const MOST_SIGN_INS: i64 = 10;

/// A login about to be made.
#[derive(Clone)]
pub struct New {
    /// Its id.
    pub user_id: Uuid,
    /// The address as typed.
    pub email: String,
    /// The address as it is compared.
    pub email_norm: String,
    /// The password's hash.
    pub hash: String,
    /// Whether the person is known to read the address: they came by a mailed link.
    pub verified: bool,
}

/// A login as a password is checked against it.
#[derive(Clone, sqlx::FromRow)]
pub struct Credentials {
    /// Which login.
    pub user_id: Uuid,
    /// None for one taken over: it has no password until a reset.
    pub password_hash: Option<String>,
    /// What the check is good for.
    pub version: i64,
}

/// The login at an address.
pub async fn at_address(conn: Conn<'_>, email_norm: &str) -> sqlx::Result<Option<Credentials>> {
    fetch_optional!(
        conn,
        Credentials,
        "select user_id, password_hash, version from accounts where email_norm = $1 and slot = $2",
        email_norm,
        Uuid::nil()
    )
}

/// Locks the logins at addresses and reads id and version of each.
pub async fn lock(tx: &mut Tx, addresses: &[String]) -> sqlx::Result<HashMap<String, (Uuid, i64)>> {
    const POSTGRES: &str = "select email_norm, user_id, version from accounts
              where email_norm = any($1) and slot = $2 order by user_id for update";
    let rows = match tx {
        Tx::Postgres(postgres) => {
            sqlx::query_as::<_, (String, Uuid, i64)>(POSTGRES)
                .bind(addresses.to_vec())
                .bind(Uuid::nil())
                .fetch_all(&mut **postgres)
                .await?
        }
        Tx::Sqlite(_) => fetch_by_texts!(
            tx.conn(),
            (String, Uuid, i64),
            addresses,
            "select email_norm, user_id, version from accounts where email_norm",
            "and slot = $2",
            Uuid::nil()
        )?,
    };
    Ok(rows.into_iter().map(|(address, id, version)| (address, (id, version))).collect())
}

/// Makes a login. `false` where the address got one meanwhile.
pub async fn insert(tx: &mut Tx, new: &New, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let rows = Rows::of("accounts")
        .with("user_id", vec![new.user_id])
        .with("email", vec![new.email.clone()])
        .with("email_norm", vec![new.email_norm.clone()])
        .with("slot", vec![Uuid::nil()])
        .with("password_hash", vec![Some(new.hash.clone())])
        .with("verified", vec![new.verified])
        .with("failed_sign_ins", vec![0_i64])
        .with("version", vec![1_i64])
        .with("created_at", vec![now]);
    Ok(tx.insert(rows, "on conflict do nothing").await? == 1)
}

/// Moves a login's version on. `false` where it was not at the one before.
pub async fn moved(tx: &mut Tx, user_id: Uuid, version: i64) -> sqlx::Result<bool> {
    let moved = execute!(
        tx.conn(),
        "update accounts set version = $2 where user_id = $1 and version = $2 - 1",
        user_id,
        version
    )?;
    Ok(moved == 1)
}

/// Notes that a login stands for a patient.
pub async fn link(tx: &mut Tx, user_id: Uuid, patient: Uuid) -> sqlx::Result<()> {
    let rows = Rows::of("account_patients").with("user_id", vec![user_id]).with("patient_id", vec![patient]);
    tx.insert(rows, "on conflict do nothing").await.map(drop)
}

/// Counts an attempt at a login's password, before the password is looked at: so many at once as may
/// come, no more than [`MOST_SIGN_INS`] are looked at. `false` where the login is locked.
pub async fn attempt(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<bool> {
    let counted = execute!(
        tx.conn(),
        "update accounts set failed_sign_ins = failed_sign_ins + 1
          where user_id = $1 and failed_sign_ins < $2",
        user_id,
        MOST_SIGN_INS
    )?;
    Ok(counted == 1)
}

/// The password was right: the count begins again.
pub async fn attempt_was_right(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    execute!(tx.conn(), "update accounts set failed_sign_ins = 0 where user_id = $1", user_id).map(drop)
}

/// Ends that logins stand for a patient who was erased. Those that then stand for nobody go; their ids.
pub async fn leave(tx: &mut Tx, patient: Uuid) -> sqlx::Result<Vec<Uuid>> {
    let left = fetch_all!(
        tx.conn(),
        (Uuid,),
        "delete from account_patients where patient_id = $1 returning user_id",
        patient
    )?;
    let mut gone = Vec::new();
    for (user_id,) in left {
        if let Tx::Postgres(_) = tx {
            // Another patient's acceptance may link the login at this moment: what is read next knows of it.
            fetch_all!(
                tx.conn(),
                (Uuid,),
                "select user_id from accounts where user_id = $1 for update",
                user_id
            )?;
        }
        let deleted = execute!(
            tx.conn(),
            "delete from accounts
              where user_id = $1 and not exists (select 1 from account_patients p where p.user_id = accounts.user_id)",
            user_id
        )?;
        gone.extend((deleted == 1).then_some(user_id));
    }
    Ok(gone)
}
