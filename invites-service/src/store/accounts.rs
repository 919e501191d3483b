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
    /// All zeros for the first login of an address; its own id for one that stands beside others.
    pub slot: Uuid,
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
    /// The address as it is compared.
    pub email_norm: String,
    /// None for one taken over: it has no password until a reset.
    pub password_hash: Option<String>,
    /// Wrong passwords since the last right one.
    pub failed_sign_ins: i64,
    /// What the check is good for.
    pub version: i64,
}

const OF_ADDRESS: &str = "select user_id, email_norm, password_hash, failed_sign_ins, version from accounts
                           where email_norm = $1 order by user_id";

/// The logins at an address, in the order of their ids.
pub async fn at_address(conn: Conn<'_>, email_norm: &str) -> sqlx::Result<Vec<Credentials>> {
    fetch_all!(conn, Credentials, OF_ADDRESS, email_norm)
}

/// Locks the logins at addresses, in the order of their ids. A statement of its own: what the next one reads was
/// committed before the locks were had.
async fn lock_rows(tx: &mut Tx, addresses: &[String]) -> sqlx::Result<()> {
    const POSTGRES: &str =
        "select user_id from accounts where email_norm = any($1) order by user_id for update";
    match tx {
        Tx::Postgres(postgres) => {
            sqlx::query(POSTGRES).bind(addresses.to_vec()).execute(&mut **postgres).await.map(drop)
        }
        // SQLite has one writer, and this transaction is it.
        Tx::Sqlite(_) => Ok(()),
    }
}

/// Locks the logins at addresses and reads id and version of each.
pub async fn lock(tx: &mut Tx, addresses: &[String]) -> sqlx::Result<HashMap<String, Vec<(Uuid, i64)>>> {
    lock_rows(tx, addresses).await?;
    let rows = fetch_by_texts!(
        tx.conn(),
        (String, Uuid, i64),
        addresses,
        "select email_norm, user_id, version from accounts where email_norm",
        "order by user_id"
    )?;
    let mut found: HashMap<String, Vec<(Uuid, i64)>> = HashMap::new();
    for (address, id, version) in rows {
        found.entry(address).or_default().push((id, version));
    }
    Ok(found)
}

/// Locks the logins at one address and reads them.
pub async fn lock_at(tx: &mut Tx, email_norm: &str) -> sqlx::Result<Vec<Credentials>> {
    lock_rows(tx, &[email_norm.to_owned()]).await?;
    at_address(tx.conn(), email_norm).await
}

/// Reads a login.
pub async fn find(conn: Conn<'_>, user_id: Uuid) -> sqlx::Result<Option<Credentials>> {
    fetch_optional!(
        conn,
        Credentials,
        "select user_id, email_norm, password_hash, failed_sign_ins, version from accounts where user_id = $1",
        user_id
    )
}

/// Makes a login. `false` where the address got one meanwhile.
pub async fn insert(tx: &mut Tx, new: &New, now: DateTime<Utc>) -> sqlx::Result<bool> {
    let rows = Rows::of("accounts")
        .with("user_id", vec![new.user_id])
        .with("email", vec![new.email.clone()])
        .with("email_norm", vec![new.email_norm.clone()])
        .with("slot", vec![new.slot])
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

/// The patients a login stands for.
pub async fn patients_of(conn: Conn<'_>, user_id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    let sql = "select patient_id from account_patients where user_id = $1 order by patient_id";
    let rows = fetch_all!(conn, (Uuid,), sql, user_id)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Counts an attempt at the passwords of an address, before any is looked at: so many at once as may come, no more
/// than [`MOST_SIGN_INS`] are looked at. Gives the logins to look at: those with a password, not locked.
pub async fn attempt(tx: &mut Tx, email_norm: &str) -> sqlx::Result<Vec<Credentials>> {
    let mut counted = Vec::new();
    for login in lock_at(tx, email_norm).await? {
        if login.password_hash.is_some() && login.failed_sign_ins < MOST_SIGN_INS {
            let sql = "update accounts set failed_sign_ins = failed_sign_ins + 1 where user_id = $1";
            execute!(tx.conn(), sql, login.user_id)?;
            counted.push(login);
        }
    }
    Ok(counted)
}

/// The password was right: the login's count begins again. `false` where it is no longer the password. Others of
/// the address, at whom the attempt was not aimed, get theirs back.
pub async fn attempt_was_right(
    tx: &mut Tx,
    right: &Credentials,
    counted: &[Credentials],
) -> sqlx::Result<bool> {
    lock_rows(tx, std::slice::from_ref(&right.email_norm)).await?;
    let still = execute!(
        tx.conn(),
        "update accounts set failed_sign_ins = 0 where user_id = $1 and password_hash = $2",
        right.user_id,
        right.password_hash.as_deref()
    )?;
    for other in counted.iter().filter(|other| other.user_id != right.user_id) {
        let sql = "update accounts set failed_sign_ins = failed_sign_ins - 1
                    where user_id = $1 and failed_sign_ins > 0";
        execute!(tx.conn(), sql, other.user_id)?;
    }
    Ok(still == 1)
}

/// A new password, set with a mailed link: the person reads the address, and the count begins again. `false` where
/// the login was not at the version before.
pub async fn set_password(tx: &mut Tx, user_id: Uuid, version: i64, hash: &str) -> sqlx::Result<bool> {
    let set = execute!(
        tx.conn(),
        "update accounts set password_hash = $3, verified = true, failed_sign_ins = 0, version = $2
          where user_id = $1 and version = $2 - 1",
        user_id,
        version,
        hash
    )?;
    Ok(set == 1)
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
