//! How commands reach a server: the one that runs on the data directory, one that is named, or, where
//! none runs, one started for the length of the command.

use crate::data_dir::{DataDir, token};
use crate::embedded::Embedded;
use anyhow::{Context, Result, bail};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use shared_events::AccountId;
use shared_host::serve::{Sockets, serve};
use shared_http::Role;
use shared_runtime::bus::BusError;
use shared_runtime::clock::Clock;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long an answer may take: a large file is read and kept before it is answered.
const LONGEST: Duration = Duration::from_secs(300);

/// A server to ask.
pub struct Server {
    url: String,
    token: String,
    client: Client,
    own: Option<Own>,
}

/// A server that runs in this process.
struct Own {
    embedded: Embedded,
    stop: CancellationToken,
    serving: JoinHandle<Result<()>>,
}

impl Server {
    /// The server at `url`, asked with `token`.
    pub fn at(url: &str, token: &str) -> Result<Server> {
        let client = Client::builder().connect_timeout(Duration::from_secs(5)).timeout(LONGEST).build()?;
        Ok(Server { url: url.trim_end_matches('/').to_owned(), token: token.to_owned(), client, own: None })
    }

    /// The server of a data directory; where none runs, one of our own until [`Server::done`].
    pub async fn of(dir: &Path, account: &AccountId) -> Result<Server> {
        if !dir.is_dir() {
            bail!(
                "there is no data directory {}; `patient-first serve` makes one, or name it with --data-dir",
                dir.display()
            );
        }
        let dir = DataDir::open(dir)?;
        // Who holds the directory's lock is its server; a file that names an address may be long out of date,
        // and another program may listen there by now.
        let embedded = match Embedded::open(&dir, "http://127.0.0.1:8080", Clock::System).await {
            Ok(embedded) => embedded,
            Err(error) if in_use(&error) => return Server::running(&dir, account).await,
            Err(error) => return Err(error),
        };
        let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = Sockets::bind(loopback, loopback).await?;
        let (public, _) = sockets.addresses()?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(embedded.host(None), sockets, stop.clone()));
        let token = token(&dir.secrets_dir(), account, Role::Admin)?;
        let server = Server::at(&format!("http://{public}"), &token)?;
        Ok(Server { own: Some(Own { embedded, stop, serving }), ..server })
    }

    /// The server that holds the directory, as soon as it has said where it is.
    async fn running(dir: &DataDir, account: &AccountId) -> Result<Server> {
        for _ in 0..100 {
            if let Ok(url) = std::fs::read_to_string(dir.file("server-url")) {
                return Server::at(url.trim(), &token(&dir.secrets_dir(), account, Role::Admin)?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "another process holds {} but does not serve: is a command still running?",
            dir.path().display()
        )
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        read(request.send().await.with_context(|| self.unreachable())?).await
    }

    /// POSTs a body to a path.
    pub async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Result<Value> {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", kind)
            .body(body);
        read(request.send().await.with_context(|| self.unreachable())?).await
    }

    fn unreachable(&self) -> String {
        format!("cannot reach the server at {}", self.url)
    }

    /// Ends a server of our own, once everything it said has been heard.
    pub async fn done(self) -> Result<()> {
        if let Some(own) = self.own {
            own.embedded.settled().await?;
            own.stop.cancel();
            own.serving.await??;
            own.embedded.close().await;
        }
        Ok(())
    }
}

fn in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(BusError::InUse(_))))
}

async fn read(answer: Response) -> Result<Value> {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let word = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    if status == StatusCode::UNAUTHORIZED {
        bail!("the server does not take the token ({})", word("code"));
    }
    bail!("{}: {} [{} {}]", word("title"), word("detail"), status.as_u16(), word("code"))
}
