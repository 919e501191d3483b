//! How commands reach a server: the one that runs on the data directory, one that is named, or, where
//! none runs, one started for the length of the command.

mod answer;
mod own;

pub use answer::{Refused, passes};

use crate::data_dir::{DataDir, token};
use crate::embedded::Embedded;
use anyhow::{Result, bail};
use invites_service::limits::Limits;
use own::Own;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared_events::AccountId;
use shared_http::Role;
use shared_runtime::bus::BusError;
use shared_runtime::clock::Clock;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long an answer may take, uploads and downloads apart.
const LONGEST: Duration = Duration::from_secs(60);

/// A server to ask.
pub struct Server {
    url: String,
    token: String,
    client: Client,
    own: Option<Own>,
}

/// What was found in a data directory.
pub enum Found {
    /// Nobody serves it: here is all of it, opened.
    Idle(Box<Embedded>),
    /// A server holds it.
    Served,
}

/// Opens a data directory, unless a server holds it.
pub async fn find(dir: &DataDir) -> Result<Found> {
    // Who holds the directory's lock is its server; a file that names an address may be long out of date,
    // and another program may listen there by now.
    match Embedded::open(dir, "http://127.0.0.1:8080", Limits::default(), Clock::System).await {
        Ok(embedded) => Ok(Found::Idle(Box::new(embedded))),
        Err(error) if in_use(&error) => Ok(Found::Served),
        Err(error) => Err(error),
    }
}

/// A data directory that must be there already.
pub fn existing(dir: &Path) -> Result<DataDir> {
    if !dir.is_dir() {
        bail!(
            "there is no data directory {}; `patient-first serve` makes one, or name it with --data-dir",
            dir.display()
        );
    }
    DataDir::open(dir)
}

/// What a running server wrote into its directory, as soon as it has.
pub async fn written(dir: &DataDir, name: &str) -> Result<String> {
    for _ in 0..100 {
        if let Ok(text) = std::fs::read_to_string(dir.file(name)) {
            return Ok(text.trim().to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("another process holds {} but does not serve: is a command still running?", dir.path().display())
}

impl Server {
    /// The server at `url`, asked with `token`.
    pub fn at(url: &str, token: &str) -> Result<Server> {
        let client = Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Server { url: url.trim_end_matches('/').to_owned(), token: token.to_owned(), client, own: None })
    }

    /// The server of a data directory; where none runs, one of our own until [`Server::done`].
    pub async fn of(dir: &Path, account: &AccountId) -> Result<Server> {
        let dir = existing(dir)?;
        let (url, own) = match find(&dir).await? {
            Found::Served => (written(&dir, "server-url").await?, None),
            Found::Idle(embedded) => {
                let own = Own::start(*embedded).await?;
                (own.url.clone(), Some(own))
            }
        };
        let token = token(&dir.secrets_dir(), account, Role::Admin)?;
        Ok(Server { own, ..Server::at(&url, &token)? })
    }

    /// Whether the server runs in this process, and ends with it.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// GETs a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        answer::read(self.sent(self.request(Method::GET, path).timeout(LONGEST)).await?).await
    }

    /// POSTs JSON to a path, once even where it is sent twice: an answer that got lost is asked for again.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        let key = Clock::System.new_id().to_string();
        let request =
            || self.request(Method::POST, path).timeout(LONGEST).header("idempotency-key", &key).json(body);
        let sent = match self.sent(request()).await {
            Err(_) => self.sent(request()).await,
            answered => answered,
        };
        answer::read(sent?).await
    }

    /// POSTs nothing to a path: an order. Sent once.
    pub async fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        answer::read(self.sent(self.request(Method::POST, path).timeout(LONGEST)).await?).await
    }

    /// Sends a request that was made with [`Server::request`]; the answer is one of success.
    ///
    /// # Errors
    /// A server that cannot be reached, and a [`Refused`].
    pub async fn success(&self, request: RequestBuilder) -> Result<Response> {
        answer::success(self.sent(request).await?).await
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.map_err(|error| answer::unreachable(&self.url, error))
    }

    /// Ends a server of our own, once everything it said has been heard or `stop` comes.
    pub async fn done(self, stop: &CancellationToken) -> Result<()> {
        let Some(own) = self.own else { return Ok(()) };
        tokio::select! {
            settled = own.settled() => settled?,
            () = stop.cancelled() => {}
        }
        own.end().await
    }

    /// Ends a server of our own as it stands: what is left goes on when the next one starts.
    pub async fn leave(self) -> Result<()> {
        match self.own {
            Some(own) => own.end().await,
            None => Ok(()),
        }
    }
}

fn in_use(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(BusError::InUse(_))))
}
