//! Writes what a group decided: events, logins, rows.

use super::{Books, Command, Decided, SignedUp};
use crate::domain::decide::{Ask, Said};
use crate::domain::{Book, Login};
use crate::store::{self, accounts, invites::Row};
use chrono::{DateTime, Utc};
use shared_events::Event;
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use shared_runtime::log::Log;
use uuid::Uuid;

/// Writes all of it. [`Abort::Conflict`] where a stream has moved on or an address got a login.
pub(super) async fn all(
    log: &Log,
    tx: &mut Tx,
    decided: &Decided,
    books: &Books,
    now: DateTime<Utc>,
) -> Result<(), Abort> {
    if decided.events.is_empty() {
        return Ok(());
    }
    log.append(tx, &decided.events).await?;
    for login in &decided.logins {
        sign_up(tx, login, now).await?;
    }
    let rows: Vec<Row> = decided
        .touched
        .iter()
        .filter_map(|id| books.values().find_map(|book| Some(Row::of(*id, book.invite(*id)?))))
        .collect();
    store::invites::put(tx, &rows).await?;
    Ok(())
}

async fn sign_up(tx: &mut Tx, login: &SignedUp, now: DateTime<Utc>) -> Result<(), Abort> {
    let fresh = match &login.new {
        Some(new) => accounts::insert(tx, new, now).await?,
        None => accounts::moved(tx, login.user_id, login.version).await?,
    };
    if !fresh {
        return Err(Abort::Conflict);
    }
    accounts::link(tx, login.user_id, login.patient).await?;
    store::patients::registered(tx, login.patient, login.user_id).await?;
    Ok(())
}

/// Notes the login that an event made or linked; the password's hash is in the command and in no event.
pub(super) fn note_login(command: &Command, book: &Book, said: &Said, version: i64, decided: &mut Decided) {
    let Ask::Accept { invite, issue_no, login, .. } = &command.ask else { return };
    let Some(patient) = &book.patient else { return };
    let new = match (&said.event, login) {
        (Event::AccountRegistered(_), Login::Register { user_id, hash, own }) => Some(accounts::New {
            user_id: *user_id,
            slot: if *own { *user_id } else { Uuid::nil() },
            email: patient.email.clone().unwrap_or_default(),
            email_norm: patient.address().unwrap_or_default(),
            hash: hash.clone(),
            verified: came_by_mail(book, *invite, *issue_no),
        }),
        (Event::AccountLinked(_), _) => None,
        _ => return,
    };
    decided.logins.push(SignedUp { patient: patient.id, user_id: said.stream, version, new });
}

/// Only a link that was mailed shows that the person reads the address: staff can hand one over, too.
fn came_by_mail(book: &Book, invite: Uuid, issue_no: i32) -> bool {
    book.invite(invite).is_some_and(|invite| invite.mailed_issue == issue_no)
}
