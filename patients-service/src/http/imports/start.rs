//! Takes a file in, piece by piece.

use super::asked::{AskedInQuery, Gathered};
use crate::domain::Refusal;
use crate::http::{App, LARGEST_IMPORT, refusals};
use crate::import::options::{Asked, Options};
use crate::import::upload::{About, Refused, Upload};
use crate::store::imports::{self, NewImport, Received, chunks, chunks::NewChunk, ends, mappings};
use axum::body::Bytes;
use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use csv_intake::Hints;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use shared_host::requests::{Cause, lost, repeatable, staff};
use shared_http::{Caller, FieldError, IdempotencyKey, Json, Problem, Query};
use shared_runtime::Tx;
use shared_runtime::audit::{self, Entry};
use shared_runtime::group::Abort;
use shared_runtime::idempotency::{self, Answered, Recalled, Repeatable};
use shared_runtime::keys::DataKey;
use shared_runtime::log::Meta;
use std::time::Duration;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long the next piece of a file may be on its way.
const NEXT_PIECE: Duration = Duration::from_secs(30);
/// The most bytes of an option that comes as a part: decisions about every row of a large file.
const LARGEST_PART: usize = 32 * 1024 * 1024;

/// An import that was taken in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ImportStarted {
    /// Follow it at `/api/imports/{id}`.
    pub id: Uuid,
}

/// Takes in a CSV file; it is carried out in the background, whatever happens to this process.
///
/// Send the file as it is, options in the query; or as `multipart/form-data`, with `options` (a JSON object of
/// all options) or a part for each before the part `file`. `mapping`, `decisions` and `custom_message` are taken in a
/// form alone.
#[utoipa::path(post, path = "/api/patients/import", tag = "imports",
    request_body(content(
        (String = "text/csv"),
        (Asked = "multipart/form-data"),
    )),
    params(IdempotencyKey, AskedInQuery),
    responses(
        (status = 202, description = "Taken in", body = ImportStarted),
        (status = 409, description = "`decisions_for_another_file`", body = Problem),
        (status = 422, description = "`file_unreadable`, `dates_ambiguous` or `invalid_body`", body = Problem),
    ))]
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    cause: Cause,
    key: IdempotencyKey,
    Query(query): Query<AskedInQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let gathered = Gathered::from(query);
    let received = match kind(&headers)? {
        Kind::Plain => {
            let asked = gathered.read()?;
            let pieces = request.into_body().into_data_stream().map(|piece| piece.map_err(|_| broken_off()));
            let mut intake = Intake::begin(&app, (&caller, &cause), &asked, key).await?;
            let read = intake.read(pieces).await;
            intake.close(read).await?
        }
        Kind::Form => {
            let form = Multipart::from_request(request, &()).await.map_err(|_| no_form())?;
            take_form(&app, (&caller, &cause), gathered, key, form).await?
        }
    };
    app.import_waits.notify_one();
    let location = [(header::LOCATION, format!("/api/imports/{received}"))];
    Ok((StatusCode::ACCEPTED, location, Json(ImportStarted { id: received })).into_response())
}

/// How the file comes.
enum Kind {
    Plain,
    Form,
}

fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "text/csv" | "text/plain" | "application/octet-stream" => Ok(Kind::Plain),
        "multipart/form-data" => Ok(Kind::Form),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "This is not taken here",
        )
        .detail("Send the file as it is, with Content-Type: text/csv, or as the part `file` of multipart/form-data.")),
    }
}

/// Reads the parts of a form up to its file, and takes that in.
async fn take_form(
    app: &App,
    by: (&Caller, &Cause),
    mut gathered: Gathered,
    mut key: IdempotencyKey,
    mut form: Multipart,
) -> Result<Uuid, Problem> {
    loop {
        let next = tokio::time::timeout(NEXT_PIECE, form.next_field()).await.map_err(|_| too_slow())?;
        let Some(field) = next.map_err(|_| no_form())? else { return Err(no_file()) };
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            key.update(gathered.canonical().as_bytes());
            let asked = gathered.read()?;
            let mut intake = Intake::begin(app, by, &asked, key).await?;
            let read = match intake.read(field.map(|piece| piece.map_err(|_| broken_off()))).await {
                Ok(()) => nothing_after(&mut form).await,
                broken => broken,
            };
            return intake.close(read).await;
        }
        gathered.part(&name, &option(field).await?)?;
    }
}

/// An option that comes as a part.
async fn option(mut field: Field<'_>) -> Result<String, Problem> {
    let mut text = Vec::new();
    loop {
        let piece = tokio::time::timeout(NEXT_PIECE, field.chunk()).await.map_err(|_| too_slow())?;
        let Some(piece) = piece.map_err(|_| broken_off())? else { break };
        if text.len() + piece.len() > LARGEST_PART {
            return Err(too_large(LARGEST_PART));
        }
        text.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Makes sure that the file was the last part: an option that comes after it would not count, and what was
/// meant as a dry run would be real.
async fn nothing_after(form: &mut Multipart) -> Result<(), Problem> {
    let next = tokio::time::timeout(NEXT_PIECE, form.next_field()).await.map_err(|_| too_slow())?;
    let Some(part) = next.map_err(|_| no_form())? else { return Ok(()) };
    let pointer = format!("/{}", part.name().unwrap_or_default());
    let words = "comes after the file, too late to count: send it before the part file";
    Err(Problem::invalid_body(vec![FieldError::new(pointer, "invalid_value", words)]))
}

/// A file on its way in.
struct Intake<'a> {
    app: &'a App,
    caller: &'a Caller,
    /// Who asks for it, and in which request.
    meta: Meta,
    key: IdempotencyKey,
    import: NewImport,
    upload: Upload,
    /// Whether anything of it is kept.
    begun: bool,
}

impl<'a> Intake<'a> {
    async fn begin(
        app: &'a App,
        (caller, cause): (&'a Caller, &Cause),
        asked: &Asked,
        key: IdempotencyKey,
    ) -> Result<Intake<'a>, Problem> {
        let (options, words) = asked.read().map_err(|errors| refusals::problem(Refusal::Invalid(errors)))?;
        let delimiter =
            asked.delimiter().map_err(|error| refusals::problem(Refusal::Invalid(vec![error])))?;
        let mut reader = app.core.db.read().await.map_err(lost)?;
        let remembered = mappings::read(reader.conn(), &caller.account).await.map_err(lost)?;
        drop(reader);
        let seal = app.core.log.keys().take(1).await.map_err(lost)?;
        let seal = seal.first().ok_or_else(|| lost(Abort::Conflict))?;
        let about = About {
            hints: Hints { encoding: asked.encoding.clone(), delimiter },
            mapping: asked.mapping.clone().unwrap_or_default(),
            remembered,
            date_order: asked.date_order,
            decisions: asked.decisions.clone(),
        };
        let upload = Upload::new(about, *seal).map_err(refused)?;
        let meta = cause.meta(staff(caller));
        let import = new_import(app, caller, asked.dry_run, options, words, seal);
        Ok(Intake { app, caller, meta, key, import, upload, begun: false })
    }

    /// Reads the file to its end, and keeps what is complete of it on the way.
    async fn read(
        &mut self,
        mut pieces: impl Stream<Item = Result<Bytes, Problem>> + Unpin,
    ) -> Result<(), Problem> {
        let mut bytes = 0;
        loop {
            let piece = tokio::time::timeout(NEXT_PIECE, pieces.next()).await.map_err(|_| too_slow())?;
            let Some(piece) = piece.transpose()? else { return Ok(()) };
            bytes += piece.len();
            if bytes > LARGEST_IMPORT {
                return Err(too_large(LARGEST_IMPORT));
            }
            self.key.update(&piece);
            self.upload.push(&piece).map_err(refused)?;
            if let Some(ready) = self.upload.ready() {
                keep(self.app, &self.import, &ready, &mut self.begun).await.map_err(lost)?;
            }
        }
    }

    /// Keeps the file that was read; its id is another import's where the request is a repetition. What was kept
    /// of one that comes to nothing is removed at once, or, where this process ends before, by whichever worker
    /// tidies up.
    async fn close(self, read: Result<(), Problem>) -> Result<Uuid, Problem> {
        let (app, id) = (self.app, self.import.id);
        let kept = match read {
            Ok(()) => self.end().await,
            Err(broken) => Err(broken),
        };
        if !matches!(kept, Ok(kept) if kept == id) {
            discard(app, id).await;
        }
        kept
    }

    async fn end(self) -> Result<Uuid, Problem> {
        let Intake { app, caller, meta, key, import, upload, begun } = self;
        let (received, last) = upload.end().map_err(refused)?;
        let end = End { received, last, meta, repeatable: repeatable(caller, key.finish()), begun };
        match finish(app, &import, &end).await {
            // The same request was at work at the same moment: now its answer is there to be recalled.
            Err(Abort::Conflict) => finish(app, &import, &end).await,
            other => other,
        }
        .map_err(lost)?
        .map_err(refusals::problem)
    }
}

fn new_import(
    app: &App,
    caller: &Caller,
    dry_run: bool,
    options: Options,
    words: Option<String>,
    key: &DataKey,
) -> NewImport {
    NewImport {
        id: app.core.clock.new_id(),
        account: caller.account.clone(),
        actor: staff(caller).name,
        dry_run,
        options,
        key: key.id,
        words: words.map(|words| key.seal(b"words", words.into_bytes())),
        at: app.core.clock.now(),
    }
}

/// Keeps chunks while the rest of the file is on its way.
async fn keep(app: &App, import: &NewImport, ready: &[NewChunk], begun: &mut bool) -> Result<(), Abort> {
    let mut tx = app.core.db.begin().await?;
    if *begun {
        // Rows of an upload that was given up meanwhile would stay for ever.
        if !imports::touch(&mut tx, import.id, app.core.clock.now()).await? {
            return Err(Abort::Conflict);
        }
    } else {
        imports::begin(&mut tx, import).await?;
    }
    chunks::keep(&mut tx, import.id, ready).await?;
    tx.commit().await?;
    *begun = true;
    Ok(())
}

/// A file that is there to its end.
struct End {
    received: Received,
    last: Vec<NewChunk>,
    meta: Meta,
    repeatable: Option<Repeatable>,
    begun: bool,
}

async fn finish(app: &App, import: &NewImport, end: &End) -> Result<Result<Uuid, Refusal>, Abort> {
    let now = app.core.clock.now();
    let mut tx = app.core.db.begin().await?;
    if let Some(repeatable) = &end.repeatable {
        match idempotency::recall(tx.conn(), repeatable).await? {
            Some(Recalled::Same(answered)) => {
                note(&mut tx, import, end, answered.resource, "import.read").await?;
                tx.commit().await?;
                return Ok(Ok(answered.resource));
            }
            Some(Recalled::Other) => return Ok(Err(Refusal::KeyReused)),
            None => {}
        }
    }
    if !end.begun {
        imports::begin(&mut tx, import).await?;
    }
    chunks::keep(&mut tx, import.id, &end.last).await?;
    if !imports::received(&mut tx, import.id, &end.received, now).await? {
        return Err(Abort::Conflict);
    }
    if let Some(repeatable) = &end.repeatable {
        let answered = Answered { status: 202, resource: import.id, version: 1 };
        if !idempotency::remember(&mut tx, &[(repeatable.clone(), answered)], now).await? {
            return Err(Abort::Conflict);
        }
    }
    note(&mut tx, import, end, import.id, "import.started").await?;
    tx.commit().await?;
    Ok(Ok(import.id))
}

/// Writes it down where all of it is kept.
async fn note(tx: &mut Tx, import: &NewImport, end: &End, id: Uuid, action: &str) -> Result<(), Abort> {
    let entry = Entry::of(&end.meta, &import.account, import.at, action, vec![id]);
    Ok(audit::write(tx, entry.as_slice()).await?)
}

async fn discard(app: &App, import: Uuid) {
    let removed = async {
        let mut tx = app.core.db.begin().await?;
        ends::discard(&mut tx, import).await?;
        tx.commit().await
    };
    if let Err(error) = removed.await {
        tracing::warn!(%error, "an upload that came to nothing is left for the worker to remove");
    }
}

fn refused(why: Refused) -> Problem {
    let (status, code, title) = match &why {
        Refused::Unreadable(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "file_unreadable", "The file cannot be imported")
        }
        Refused::Dates(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "dates_ambiguous", "The file's dates may be read in two ways")
        }
        Refused::OtherFile => {
            (StatusCode::CONFLICT, "decisions_for_another_file", "The decisions are for another file")
        }
    };
    Problem::new(status, code, title).detail(why.to_string())
}

fn broken_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body broke off before its end")
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "This took too long")
        .detail("Nothing came for 30 seconds. Nothing was kept; send the file again.")
}

fn no_form() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "form_unreadable", "The form cannot be read")
        .detail("Send multipart/form-data as browsers and curl -F do: options first, then the part `file`.")
}

fn no_file() -> Problem {
    let error = FieldError::new("/file", "missing_field", "is required, as the last part of the form");
    Problem::invalid_body(vec![error])
}

fn too_large(bytes: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large").detail(format!(
        "It may have {} MiB; split the file, the headers in each part.",
        bytes / (1024 * 1024)
    ))
}
