//! Asks the services, or works on the files of a directory that nobody serves.

use crate::commands::door::{Door, Where, explained};
use crate::commands::words::plain;
use crate::server::Server;
use anyhow::{Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared_host::keys::{KeyDesk, KeyTold, Order, ReissueOrder, Reissued};
use std::time::Duration;
use uuid::Uuid;

/// Copies of a service look at their key files this often: after it, none makes links with a key that was replaced.
const LEARNED: Duration = Duration::from_secs(5);

/// Prints every key.
pub async fn list(at: &Where) -> Result<()> {
    let told = with(at, async |door| door.list().await).await?;
    print(&told);
    Ok(())
}

/// Adds keys.
pub async fn rotate(at: &Where, which: &str, service: Option<String>, after_seconds: u32) -> Result<()> {
    let order = Order { after_seconds: Some(after_seconds), ..order(which, service) };
    let told = with(at, async |door| door.change("rotate", &order).await).await?;
    print(&told);
    eprintln!("The new key opens now, and seals after {after_seconds} seconds.");
    if !at.is_directory() {
        eprintln!(
            "Where services read their secrets from elsewhere than this one wrote, bring them the file before."
        );
    }
    Ok(())
}

/// Removes a key.
pub async fn retire(at: &Where, which: &str, id: String, service: Option<String>, force: bool) -> Result<()> {
    let order = Order { id: Some(id), force, ..order(which, service) };
    print(&with(at, async |door| door.change("retire", &order).await).await?);
    Ok(())
}

/// Gives every open invite of a key a new link, and retires the key.
pub async fn reissue(at: &Where, key: Option<String>) -> Result<()> {
    with(at, async |door| {
        let tokens: Vec<KeyTold> = door.list().await?.into_iter().filter(|key| key.which == "tokens").collect();
        let Some(sealing) = tokens.iter().find(|key| key.seals) else { bail!("none of these services makes links") };
        let leaked = key.clone().unwrap_or_else(|| sealing.id.clone());
        if !tokens.iter().any(|key| key.id == leaked) {
            bail!("there is no key {leaked}: it was retired, or never was; `patient-first keys list` shows them");
        }
        if leaked == sealing.id {
            door.change("rotate", &Order { after_seconds: Some(0), ..order("tokens", None) }).await?;
            eprintln!("A new key makes links from now on; waiting until every copy knows.");
            tokio::time::sleep(LEARNED).await;
        }
        let (mut reissued, mut refused, mut after) = (0, 0, Some(Uuid::nil()));
        while let Some(from) = after {
            let batch = door.reissue(&ReissueOrder { key: leaked.clone(), after: from }).await?;
            (reissued, refused, after) = (reissued + batch.reissued, refused + batch.refused, batch.next);
            eprintln!("{reissued} invites have a new link.");
        }
        let order = Order { id: Some(leaked.clone()), force: true, ..order("tokens", None) };
        door.change("retire", &order).await?;
        println!("{reissued} invites have a new link, {refused} could have none (such as locked ones). The key {leaked} is retired: its links are refused.");
        Ok(())
    })
    .await
}

fn order(which: &str, service: Option<String>) -> Order {
    Order { which: which.to_owned(), service, id: None, force: false, after_seconds: None }
}

/// Does work at what is found; closes it however the work ends.
async fn with<T>(at: &Where, work: impl AsyncFnOnce(&Desk) -> Result<T>) -> Result<T> {
    match at.open().await? {
        Door::Served(servers) => work(&Desk::Served(servers)).await,
        Door::Idle(embedded) => {
            let done = work(&Desk::Here(embedded.keys())).await;
            embedded.close().await;
            done
        }
    }
}

enum Desk {
    Here(KeyDesk),
    Served(Vec<Server>),
}

impl Desk {
    async fn list(&self) -> Result<Vec<KeyTold>> {
        match self {
            Desk::Here(desk) => desk.list().await.map_err(Into::into),
            Desk::Served(servers) => {
                let mut told: Vec<KeyTold> = Vec::new();
                for server in servers {
                    let some: Vec<KeyTold> = server.get("/internal/keys").await.map_err(explained)?;
                    add(&mut told, some);
                }
                Ok(told)
            }
        }
    }

    /// Gives an order to whoever has such a file; of a file that several read, to one of them.
    async fn change(&self, what: &str, order: &Order) -> Result<Vec<KeyTold>> {
        let servers = match self {
            Desk::Here(desk) if what == "rotate" => return desk.rotate(order).await.map_err(Into::into),
            Desk::Here(desk) => return desk.retire(order).await.map_err(Into::into),
            Desk::Served(servers) => servers,
        };
        let mut changed = false;
        for server in servers {
            let has: Vec<KeyTold> = server.get("/internal/keys").await.map_err(explained)?;
            let mut meant = has.iter().filter(|key| {
                key.which == order.which
                    && (order.service.is_none() || key.service.is_none() || key.service == order.service)
            });
            let Some(shared) = meant.next().map(|key| key.service.is_none()) else { continue };
            if shared && what == "retire" && !order.force && self.is_needed(order).await? {
                bail!("something still needs this key: `patient-first keys list` says what");
            }
            post::<Vec<KeyTold>>(server, what, order).await?;
            changed = true;
            if shared {
                break;
            }
        }
        if !changed {
            bail!("none of these services has {} keys", order.which);
        }
        self.list().await
    }

    /// Whether any of the services needs a key that all of them read.
    async fn is_needed(&self, order: &Order) -> Result<bool> {
        let is_it = |key: &KeyTold| key.which == order.which && Some(&key.id) == order.id.as_ref();
        Ok(self.list().await?.iter().any(|key| is_it(key) && key.needed > 0))
    }

    async fn reissue(&self, order: &ReissueOrder) -> Result<Reissued> {
        match self {
            Desk::Here(desk) => desk.reissue_batch(order).await.map_err(Into::into),
            Desk::Served(servers) => {
                for server in servers {
                    let has: Vec<KeyTold> = server.get("/internal/keys").await.map_err(explained)?;
                    if has.iter().any(|key| key.which == "tokens") {
                        return post(server, "reissue", order).await;
                    }
                }
                bail!("none of these services makes links")
            }
        }
    }
}

/// Adds what another service says; of a file that several read, what each needs it for.
fn add(told: &mut Vec<KeyTold>, some: Vec<KeyTold>) {
    for key in some {
        let same = |known: &&mut KeyTold| {
            (&known.which, &known.service, &known.id) == (&key.which, &key.service, &key.id)
        };
        match told.iter_mut().find(same) {
            Some(known) => known.needed += key.needed,
            None => told.push(key),
        }
    }
}

async fn post<T: DeserializeOwned>(server: &Server, what: &str, order: &impl Serialize) -> Result<T> {
    let path = format!("/internal/keys/{what}");
    server.post(&path, &serde_json::to_value(order)?).await.map_err(explained)
}

fn print(told: &[KeyTold]) {
    println!("{:<9} {:<9} {:<6} {:<21} {:<7} needed by", "which", "service", "id", "active", "state");
    for key in told {
        let active = key
            .active
            .map_or_else(|| "from the start".to_owned(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        let state = match (key.seals, key.waits) {
            (true, _) => "seals",
            (_, true) => "waits",
            _ => "opens",
        };
        println!(
            "{:<9} {:<9} {:<6} {active:<21} {state:<7} {} {}",
            plain(&key.which),
            plain(key.service.as_deref().unwrap_or("all")),
            plain(&key.id),
            key.needed,
            plain(&key.needed_by)
        );
    }
}
