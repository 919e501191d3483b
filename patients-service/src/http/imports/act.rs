//! An import once more, or undone.

use super::start::ImportStarted;
use super::{gone, running};
use crate::domain::Refusal;
use crate::http::{App, refusals};
use crate::store::imports::{self, Standing, chunks, ends};
use axum::extract::State;
use axum::http::StatusCode;
use shared_host::requests::{Cause, lost, repeatable, staff};
use shared_http::{Caller, IdempotencyKey, Json, Path, Problem};
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::group::Abort;
use shared_runtime::idempotency::{self, Answered, Recalled, Repeatable};
use uuid::Uuid;

/// Carries the failed rows out once more, after what was in their way was put right.
#[utoipa::path(post, path = "/api/imports/{id}/retry", tag = "imports", params(("id" = Uuid, Path), IdempotencyKey),
    responses((status = 202, body = ImportStarted),
              (status = 409, description = "`import_running`, `import_is_dry_run` or `import_undone`", body = Problem),
              (status = 410, description = "`import_result_gone`", body = Problem)))]
pub async fn retry(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<ImportStarted>), Problem> {
    act(&app, (&caller, &cause), id, key, What::Retry).await
}

/// Archives the patients the import put on record, but for those who were invited, changed or registered since.
#[utoipa::path(post, path = "/api/imports/{id}/undo", tag = "imports", params(("id" = Uuid, Path), IdempotencyKey),
    responses((status = 202, body = ImportStarted),
              (status = 409, description = "`import_running` or `import_is_dry_run`", body = Problem)))]
pub async fn undo(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<ImportStarted>), Problem> {
    act(&app, (&caller, &cause), id, key, What::Undo).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Retry,
    Undo,
}

async fn act(
    app: &App,
    (caller, cause): (&Caller, &Cause),
    id: Uuid,
    key: IdempotencyKey,
    what: What,
) -> Result<(StatusCode, Json<ImportStarted>), Problem> {
    let key = repeatable(caller, key.finish());
    let mut tx = app.core.db.begin().await.map_err(lost)?;
    let acted = within(app, &mut tx, (caller, cause), id, key, what).await;
    match acted {
        Ok(id) => {
            tx.commit().await.map_err(lost)?;
            app.import_waits.notify_one();
            Ok((StatusCode::ACCEPTED, Json(ImportStarted { id })))
        }
        Err(refused) => {
            // Now, not when the connection comes back to the pool: until then workers pass the import over.
            let _ = tx.rollback().await;
            Err(refused)
        }
    }
}

async fn within(
    app: &App,
    tx: &mut Tx,
    (caller, cause): (&Caller, &Cause),
    id: Uuid,
    key: Option<Repeatable>,
    what: What,
) -> Result<Uuid, Problem> {
    if let Some(key) = &key {
        match idempotency::recall(tx.conn(), key).await.map_err(lost)? {
            Some(Recalled::Same(answered)) => {
                note(app, tx, (caller, cause), answered.resource, "import.read").await?;
                return Ok(answered.resource);
            }
            Some(Recalled::Other) => return Err(refusals::problem(Refusal::KeyReused)),
            None => {}
        }
    }
    let standing = imports::locked(tx, &caller.account, id).await.map_err(lost)?;
    let standing = standing.ok_or_else(Problem::not_found)?;
    let action = match what {
        What::Retry => {
            again(app, tx, &standing).await?;
            "import.retried"
        }
        What::Undo => take_back(app, tx, &standing, &staff(caller).name).await?,
    };
    note(app, tx, (caller, cause), id, action).await?;
    if let Some(key) = key {
        let answered = Answered { status: 202, resource: id, version: 1 };
        if !idempotency::remember(tx, &[(key, answered)], app.core.clock.now()).await.map_err(lost)? {
            return Err(lost(Abort::Conflict));
        }
    }
    Ok(id)
}

/// Writes it down where all of it is kept.
async fn note(
    app: &App,
    tx: &mut Tx,
    (caller, cause): (&Caller, &Cause),
    id: Uuid,
    action: &str,
) -> Result<(), Problem> {
    let (meta, now) = (cause.meta(staff(caller)), app.core.clock.now());
    let entry = Entry::of(&meta, &caller.account, now, action, vec![id]);
    audit::write(tx, entry.as_slice()).await.map_err(lost)
}

async fn again(app: &App, tx: &mut Tx, standing: &Standing) -> Result<(), Problem> {
    no_rehearsal(standing)?;
    match standing.state.as_str() {
        "done" | "failed" if standing.forgotten => Err(gone()),
        "done" | "failed" => {
            chunks::open_failed(tx, standing.id).await.map_err(lost)?;
            imports::again(tx, standing.id, app.core.clock.now()).await.map_err(lost)
        }
        "undone" => Err(Problem::new(StatusCode::CONFLICT, "import_undone", "This import was undone")
            .detail("Send its file again.")),
        _ => Err(running()),
    }
}

/// Undoes it; what was done, as the audit names it.
async fn take_back(
    app: &App,
    tx: &mut Tx,
    standing: &Standing,
    actor: &str,
) -> Result<&'static str, Problem> {
    no_rehearsal(standing)?;
    match standing.state.as_str() {
        // Asked twice, done once.
        "undoing" | "undone" => Ok("import.read"),
        "done" | "failed" => {
            ends::undo(tx, standing.id, actor, app.core.clock.now()).await.map_err(lost)?;
            Ok("import.undone")
        }
        _ => Err(running()),
    }
}

fn no_rehearsal(standing: &Standing) -> Result<(), Problem> {
    if !standing.dry_run {
        return Ok(());
    }
    Err(Problem::new(StatusCode::CONFLICT, "import_is_dry_run", "This was a dry run")
        .detail("Nothing was put on record. Send the file again without dry_run."))
}
