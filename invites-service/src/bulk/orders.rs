//! What staff ask of bulk jobs: each order is one transaction, and the client's key for it is kept in it.

use super::words_aad;
use crate::domain::Refusal;
use crate::domain::bulk::{self, Change, Terms, Whom};
use crate::store::bulk::{self as jobs, Job, NewJob, Words};
use crate::store::{bulk_patients, clinics};
use shared_events::AccountId;
use shared_events::clinic::InviteSystem;
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use shared_runtime::idempotency::{self, Answered, Recalled, Repeatable};
use shared_runtime::keys::DataKey;
use shared_runtime::log::Meta;
use uuid::Uuid;

/// What is asked.
#[derive(Clone)]
pub enum Order {
    /// A new job.
    Begin(Box<Begin>),
    /// Try the failed of a job again.
    Retry(Uuid),
    /// End a job.
    Cancel(Uuid),
}

impl Order {
    /// What the audit calls it.
    fn action(&self) -> &'static str {
        match self {
            Order::Begin(_) => "bulk_invite.started",
            Order::Retry(_) => "bulk_invite.retried",
            Order::Cancel(_) => "bulk_invite.cancelled",
        }
    }
}

/// A new job.
#[derive(Clone)]
pub struct Begin {
    /// Whom to invite.
    pub whom: Whom,
    /// What with.
    pub terms: Terms,
    /// Staff's words to the patients.
    pub message: Option<String>,
}

/// An order, and who gives it.
#[derive(Clone)]
pub struct Ordered {
    /// What is asked.
    pub order: Order,
    /// The clinic of whoever asks.
    pub account: AccountId,
    /// Who and what caused it.
    pub meta: Meta,
    /// The client's name for it.
    pub repeatable: Option<Repeatable>,
}

/// Carries an order out; gives the job's id.
///
/// # Errors
/// The database or the keys are away or in the way.
pub async fn carry_out(core: &Core, ordered: &Ordered) -> Result<Result<Uuid, Refusal>, Abort> {
    match try_once(core, ordered).await {
        // The same request was at work at the same moment: now its answer is there to be recalled.
        Err(Abort::Conflict) => try_once(core, ordered).await,
        other => other,
    }
}

async fn try_once(core: &Core, ordered: &Ordered) -> Result<Result<Uuid, Refusal>, Abort> {
    let mut tx = core.db.begin().await?;
    let done = within(core, &mut tx, ordered).await;
    if let Ok(Ok(_)) = &done {
        tx.commit().await?;
    } else {
        // Now, not when the connection comes back to the pool: until then the job's row is locked.
        let _ = tx.rollback().await;
    }
    done
}

async fn within(core: &Core, tx: &mut Tx, ordered: &Ordered) -> Result<Result<Uuid, Refusal>, Abort> {
    if let Some(repeatable) = &ordered.repeatable {
        match idempotency::recall(tx.conn(), repeatable).await? {
            Some(Recalled::Same(answered)) => {
                note(core, tx, ordered, answered.resource, "bulk_invite.read").await?;
                return Ok(Ok(answered.resource));
            }
            Some(Recalled::Other) => return Ok(Err(Refusal::KeyReused)),
            None => {}
        }
    }
    let done = match &ordered.order {
        Order::Begin(begin) => keep(core, tx, ordered, begin).await?,
        Order::Retry(id) => retry(tx, ordered, *id).await?,
        Order::Cancel(id) => cancel(core, tx, ordered, *id).await?,
    };
    if let Ok(id) = &done {
        note(core, tx, ordered, *id, ordered.order.action()).await?;
    }
    if let (Ok(id), Some(repeatable)) = (&done, &ordered.repeatable) {
        let answered = Answered { status: 202, resource: *id, version: 1 };
        if !idempotency::remember(tx, &[(repeatable.clone(), answered)], core.clock.now()).await? {
            return Err(Abort::Conflict);
        }
    }
    Ok(done)
}

/// Writes it down where all of it is kept.
async fn note(core: &Core, tx: &mut Tx, ordered: &Ordered, id: Uuid, action: &str) -> Result<(), Abort> {
    let entry = Entry::of(&ordered.meta, &ordered.account, core.clock.now(), action, vec![id]);
    Ok(audit::write(tx, entry.as_slice()).await?)
}

async fn new_job(core: &Core, ordered: &Ordered, begin: &Begin) -> Result<NewJob, Abort> {
    let id = core.clock.new_id();
    let words = match &begin.message {
        None => None,
        Some(message) => {
            let sealed = |key: DataKey| key.seal(&words_aad(id), message.clone().into_bytes());
            core.log.keys().take(1).await?.pop().map(|key| Words { sealed: sealed(key), key: key.id })
        }
    };
    let (filter, named) = match &begin.whom {
        Whom::Named(patients) => (None, patients.len()),
        Whom::Fitting(filter) => (Some(filter.clone()), 0),
    };
    Ok(NewJob {
        id,
        account: ordered.account.clone(),
        filter,
        named: i64::try_from(named).unwrap_or(i64::MAX),
        terms: begin.terms.clone(),
        words,
        meta: caused_by(ordered, id),
        at: core.clock.now(),
    })
}

/// What follows from a job is caused by it.
fn caused_by(ordered: &Ordered, job: Uuid) -> Meta {
    Meta { causation: Some(job), ..ordered.meta.clone() }
}

async fn keep(
    core: &Core,
    tx: &mut Tx,
    ordered: &Ordered,
    begin: &Begin,
) -> Result<Result<Uuid, Refusal>, Abort> {
    if clinics::read(tx.conn(), &ordered.account).await?.invite_system == InviteSystem::Legacy {
        return Ok(Err(Refusal::InviteSystemIsLegacy));
    }
    let job = new_job(core, ordered, begin).await?;
    jobs::keep(tx, &job).await?;
    if let Whom::Named(patients) = &begin.whom {
        bulk_patients::add(tx, job.id, patients).await?;
    }
    Ok(Ok(job.id))
}

async fn retry(tx: &mut Tx, ordered: &Ordered, id: Uuid) -> Result<Result<Uuid, Refusal>, Abort> {
    let Some(Job { open, failed, .. }) = jobs::lock(tx, &ordered.account, id).await? else {
        return Ok(Err(Refusal::NotFound));
    };
    match bulk::retry(open, failed) {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(Change::None) => {}
        Ok(Change::Needed) => jobs::reopen(tx, id, &caused_by(ordered, id)).await?,
    }
    Ok(Ok(id))
}

async fn cancel(
    core: &Core,
    tx: &mut Tx,
    ordered: &Ordered,
    id: Uuid,
) -> Result<Result<Uuid, Refusal>, Abort> {
    let Some(job) = jobs::lock(tx, &ordered.account, id).await? else {
        return Ok(Err(Refusal::NotFound));
    };
    if bulk::cancel(job.state()) == Change::Needed {
        jobs::cancel(tx, id, core.clock.now()).await?;
    }
    Ok(Ok(id))
}
