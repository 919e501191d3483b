//! `patient-first purge`: makes deleted bytes unfindable.

use super::door::{Door, Where, explained};
use super::words::plain;
use anyhow::{Context, Result};
use reqwest::Method;
use shared_host::purge::{LONGEST, PATH, Purged};
use shared_runtime::db::purge_file;
use std::process::ExitCode;

/// Where.
#[derive(Debug, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    at: Where,
}

/// Rewrites every database without what was deleted; the program fails where something was left.
pub async fn run(flags: Flags) -> Result<ExitCode> {
    let purged = match flags.at.open().await? {
        Door::Idle(embedded) => {
            let purged = embedded.purge().run().await;
            embedded.close().await;
            let mut purged = purged?;
            // Nobody has it open now.
            let path = flags.at.data_dir.join("bus.db");
            let left =
                purge_file(&path).await.with_context(|| format!("cannot rewrite {}", path.display()))?;
            purged.push(Purged { service: "bus".to_owned(), left });
            purged
        }
        Door::Served(servers) => {
            let mut purged = Vec::new();
            for server in servers {
                let request = server.request(Method::POST, PATH).timeout(LONGEST);
                let answer = server.success(request).await.map_err(explained)?;
                purged.extend(answer.json::<Vec<Purged>>().await.map_err(reqwest::Error::without_url)?);
            }
            purged
        }
    };
    for one in &purged {
        println!("{}: rewritten without what was deleted", plain(&one.service));
        for left in &one.left {
            println!("  left: {}", plain(left));
        }
    }
    let all = purged.iter().all(|one| one.left.is_empty());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
