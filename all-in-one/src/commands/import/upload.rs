//! A file on its way to the server: streamed, never whole in memory.

use crate::commands::progress::{Progress, Unit};
use crate::server::Server;
use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

const PIECE: usize = 64 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long nothing may move, neither the file nor the answer.
const STALLED: Duration = Duration::from_secs(300);

/// A file that is open.
pub struct Source {
    file: tokio::fs::File,
    /// None where it is not known before the end.
    bytes: Option<u64>,
}

/// What the server answers to an upload.
#[derive(Debug, Deserialize)]
struct Started {
    id: String,
}

impl Source {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Source> {
        let named = || format!("cannot read {}", path.display());
        let file = if path.as_os_str() == "-" {
            let input = std::io::stdin().as_fd().try_clone_to_owned();
            std::fs::File::from(input.context("cannot read standard input")?)
        } else {
            std::fs::File::open(path).with_context(named)?
        };
        let about = file.metadata().with_context(named)?;
        if about.is_dir() {
            bail!("{} is a directory: name the CSV file", path.display());
        }
        // Standard input may be a file of which a part was read already.
        let bytes = (about.is_file() && path.as_os_str() != "-").then_some(about.len());
        Ok(Source { file: file.into(), bytes })
    }

    /// The file as a body, which counts what was taken of it.
    fn body(self, sent: Arc<AtomicU64>) -> Body {
        // A file that grows meanwhile must not be longer than was said.
        let file = self.file.take(self.bytes.unwrap_or(u64::MAX));
        let pieces = ReaderStream::with_capacity(file, PIECE).inspect(move |piece| {
            let taken = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            sent.fetch_add(taken, Ordering::Relaxed);
        });
        Body::wrap_stream(pieces)
    }
}

/// Sends a file with its options and gives the import's id; none where the person stopped it.
pub async fn send(
    server: &Server,
    source: Source,
    options: &Map<String, Value>,
    stop: &CancellationToken,
) -> Result<Option<String>> {
    let total = source.bytes;
    let sent = Arc::new(AtomicU64::new(0));
    let request = request(server, source, options, sent.clone())?;
    let mut progress = Progress::begin("import", Unit::Bytes);
    let answered = tokio::select! {
        answer = server.success(request) => Some(answer?),
        stalled = watch(&mut progress, &sent, total) => return Err(stalled),
        () = stop.cancelled() => None,
    };
    drop(progress);
    let Some(answer) = answered else { return Ok(None) };
    let started: Started = answer.json().await.context("the server did not name the import")?;
    Ok(Some(started.id))
}

/// The file alone where nothing was asked; else a form, options first.
fn request(
    server: &Server,
    source: Source,
    options: &Map<String, Value>,
    sent: Arc<AtomicU64>,
) -> Result<RequestBuilder> {
    let request = server.request(Method::POST, "/api/patients/import");
    let bytes = source.bytes;
    let body = source.body(sent);
    if options.is_empty() {
        let request = request.header("content-type", "text/csv").body(body);
        return Ok(match bytes {
            Some(bytes) => request.header("content-length", bytes),
            None => request,
        });
    }
    let file = match bytes {
        Some(bytes) => Part::stream_with_length(body, bytes),
        None => Part::stream(body),
    };
    // Not the file's own name: it may say whose patients these are.
    let file = file.file_name("patients.csv").mime_str("text/csv")?;
    let said = Part::text(serde_json::to_string(options)?).mime_str("application/json")?;
    Ok(request.multipart(Form::new().part("options", said).part("file", file)))
}

/// Shows what was sent; ends only where nothing moves any more.
async fn watch(progress: &mut Progress, sent: &AtomicU64, total: Option<u64>) -> anyhow::Error {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let now = sent.load(Ordering::Relaxed);
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        if moved.elapsed() > STALLED {
            return anyhow::anyhow!(
                "nothing has moved for {} minutes: neither was more of the file taken nor an answer given. \
                 `patient-first imports list` shows whether it was taken in",
                STALLED.as_secs() / 60
            );
        }
        progress.at(now, total);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
