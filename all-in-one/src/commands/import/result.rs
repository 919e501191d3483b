//! The result of an import, saved as a file that can be corrected and sent again.

use crate::server::Server;
use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use reqwest::Method;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// Where a result is saved.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    force: bool,
}

impl Place {
    /// A file that is not there yet, unless `force`.
    pub fn new(path: PathBuf, force: bool) -> Result<Place> {
        let place = Place { path, force };
        if !force && place.path.exists() {
            bail!(place.taken());
        }
        Ok(place)
    }

    fn taken(&self) -> String {
        format!("{} is there already: name another file, or overwrite it with --force", self.path.display())
    }

    /// Where it is saved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Streams the result of an import into the file, readable by its owner alone, whole or not at all.
    pub async fn save(&self, server: &Server, import: &str, only_failed: bool) -> Result<()> {
        let only = if only_failed { "?only=failed" } else { "" };
        let request = server.request(Method::GET, &format!("/api/imports/{import}/result{only}"));
        let mut pieces = server.success(request).await?.bytes_stream();
        let part = self.beside();
        let named = || format!("cannot write {}", self.path.display());
        let _ = tokio::fs::remove_file(&part).await;
        let mut file = tokio::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&part).await.with_context(named)?;
        let written = async {
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(reqwest::Error::without_url).context("the result broke off")?;
                file.write_all(&piece).await.with_context(named)?;
            }
            file.sync_all().await.with_context(named)?;
            self.put(&part)
        }
        .await;
        // What is half written, or has its name by now, is of no more use under this one.
        let _ = tokio::fs::remove_file(&part).await;
        written
    }

    fn put(&self, part: &Path) -> Result<()> {
        let put =
            if self.force { std::fs::rename(part, &self.path) } else { std::fs::hard_link(part, &self.path) };
        match put {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(self.taken()),
            other => other.with_context(|| format!("cannot write {}", self.path.display())),
        }
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part{}", std::process::id()));
        self.path.with_file_name(name)
    }
}
