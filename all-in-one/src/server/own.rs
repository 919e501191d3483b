//! A server that runs in this process, for the length of a command.

use crate::embedded::Embedded;
use anyhow::Result;
use shared_host::serve::{Sockets, serve};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) struct Own {
    pub(super) url: String,
    embedded: Embedded,
    stop: CancellationToken,
    serving: JoinHandle<Result<()>>,
}

impl Own {
    /// Serves on a free port of this machine.
    pub(super) async fn start(embedded: Embedded) -> Result<Own> {
        let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = Sockets::bind(loopback, loopback).await?;
        let (public, _) = sockets.addresses()?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(embedded.host(None), sockets, stop.clone()));
        Ok(Own { url: format!("http://{public}"), embedded, stop, serving })
    }

    /// Waits until everything that was said has been heard.
    pub(super) async fn settled(&self) -> Result<()> {
        self.embedded.settled().await
    }

    /// Lets requests and work end, and closes every file.
    pub(super) async fn end(self) -> Result<()> {
        self.stop.cancel();
        self.serving.await??;
        self.embedded.close().await;
        Ok(())
    }
}
