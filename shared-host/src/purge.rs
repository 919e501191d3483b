//! `POST /internal/purge`: makes deleted bytes unfindable, for operators, after an erasure.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use shared_http::{Json, Problem};
use shared_runtime::core::Core;
use shared_runtime::group::Abort;
use std::time::Duration;

/// Where it is asked for.
pub const PATH: &str = "/internal/purge";
/// How long it may take.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// The databases of the services of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Purge(Vec<(&'static str, Core)>);

/// What became of a service's databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// The service.
    pub service: String,
    /// What could not be done, in words.
    pub left: Vec<String>,
}

impl Purge {
    /// Adds a service.
    #[must_use]
    pub fn of_core(mut self, service: &'static str, core: &Core) -> Purge {
        self.0.push((service, core.clone()));
        self
    }

    /// Rewrites every database without what was deleted.
    ///
    /// # Errors
    /// A database that is away, or a disk without room.
    pub async fn run(&self) -> Result<Vec<Purged>, Abort> {
        let mut purged = Vec::new();
        for (service, core) in &self.0 {
            let mut left = core.db.purge().await?;
            left.extend(core.keys_db.purge().await?);
            left.sort_unstable();
            left.dedup();
            purged.push(Purged { service: (*service).to_owned(), left });
        }
        Ok(purged)
    }

    /// The route, to be put behind the guard of internal routes.
    pub fn router(self) -> Router {
        let purge = async |State(purge): State<Purge>| -> Result<Json<Vec<Purged>>, Problem> {
            purge.run().await.map(Json).map_err(crate::requests::lost)
        };
        Router::new().route(PATH, post(purge)).with_state(self)
    }
}
