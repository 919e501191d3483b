//! Reads the books of a group's patients: a handful of queries, however many commands.

use super::{Books, Command};
use crate::domain::account::{Account, Logins};
use crate::domain::decide::Ask;
use crate::domain::{Book, Place, Stands};
use crate::store;
use shared_events::AccountId;
use shared_runtime::Tx;
use shared_runtime::group::Abort;
use shared_runtime::log::{Log, Stream};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Locks the patients of the commands, then reads what is to be known of each.
pub(super) async fn books(log: &Log, tx: &mut Tx, commands: &[Command]) -> Result<Books, Abort> {
    let patients: BTreeSet<Uuid> = commands.iter().map(|command| command.patient).collect();
    let patients: Vec<Uuid> = patients.into_iter().collect();
    let known = store::patients::lock(tx, &patients).await?;
    let accounts: BTreeSet<AccountId> = known.values().map(|patient| patient.account.clone()).collect();
    let accounts: Vec<AccountId> = accounts.into_iter().collect();
    let settings = store::clinics::of(tx.conn(), &accounts).await?;
    let mut books: Books = HashMap::with_capacity(known.len());
    for (id, patient) in known {
        let settings = settings.get(&patient.account).cloned().unwrap_or_default();
        books.insert(id, Book { patient: Some(patient), settings, ..Book::default() });
    }
    invites(log, tx, commands, &patients, &mut books).await?;
    reissues(tx, commands, &mut books).await?;
    logins(tx, commands, &mut books).await?;
    Ok(books)
}

/// Patients whose invites may be issued again: all of theirs are looked at.
fn reissuing(commands: &[Command]) -> Vec<Uuid> {
    let reissues = commands.iter().filter(|command| matches!(command.ask, Ask::Reissue { .. }));
    reissues.map(|command| command.patient).collect()
}

async fn reissues(tx: &mut Tx, commands: &[Command], books: &mut Books) -> Result<(), Abort> {
    let patients = reissuing(commands);
    if patients.is_empty() {
        return Ok(());
    }
    for (patient, links) in store::reissues::of(tx.conn(), &patients).await? {
        if let Some(book) = books.get_mut(&patient) {
            book.reissues = links;
        }
    }
    Ok(())
}

/// Every open invite of the patients, those that commands name, and for a re-issue all.
async fn invites(
    log: &Log,
    tx: &mut Tx,
    commands: &[Command],
    patients: &[Uuid],
    books: &mut Books,
) -> Result<(), Abort> {
    let pending = store::invites::pending_of(tx.conn(), patients).await?;
    let named = commands.iter().filter_map(|command| Some((command.ask.invite()?, command.patient)));
    let lost = store::invites::all_of(tx.conn(), &reissuing(commands)).await?;
    let owners: HashMap<Uuid, Uuid> = pending.into_iter().chain(lost).chain(named).collect();
    if owners.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = owners.keys().copied().collect();
    let streams = log.load(tx.conn(), &ids).await?;
    let mailed = store::links::of(tx.conn(), &ids).await?;
    for (id, stream) in streams {
        let mut stands = fold(&stream);
        if let (Stands::Known(invite), Some(issue_no)) = (&mut stands, mailed.get(&id)) {
            invite.mailed_issue = *issue_no;
        }
        if let Some(book) = owners.get(&id).and_then(|patient| books.get_mut(patient)) {
            book.invites.insert(id, stands);
        }
    }
    Ok(())
}

/// The logins at the addresses of patients who accept, and whether others have the address, too.
async fn logins(tx: &mut Tx, commands: &[Command], books: &mut Books) -> Result<(), Abort> {
    let accepting = commands.iter().filter(|command| matches!(command.ask, Ask::Accept { .. }));
    let addresses: HashMap<Uuid, String> = accepting
        .filter_map(|command| {
            let patient = books.get(&command.patient)?.patient.as_ref()?;
            Some((command.patient, patient.address()?))
        })
        .collect();
    if addresses.is_empty() {
        return Ok(());
    }
    let wanted: Vec<String> = addresses.values().cloned().collect();
    let found = store::accounts::lock(tx, &wanted).await?;
    for (patient, address) in addresses {
        let Some(book) = books.get_mut(&patient) else { continue };
        let at_address = found.get(&address).into_iter().flatten();
        let at_address =
            at_address.map(|(user_id, version)| Account { user_id: *user_id, version: *version });
        book.logins = Logins { at_address: at_address.collect(), shared: false };
        if let Some(known) = &book.patient {
            book.logins.shared = store::patients::share(tx.conn(), known, &address).await?;
        }
    }
    Ok(())
}

/// Folds a stream.
pub fn fold(stream: &Stream) -> Stands {
    stream.iter().fold(Stands::Absent, |stands, recorded| {
        let place = Place {
            stream: recorded.stream,
            account: recorded.account.clone(),
            version: recorded.version,
            at: recorded.occurred_at,
        };
        stands.evolve(&place, &recorded.event)
    })
}
