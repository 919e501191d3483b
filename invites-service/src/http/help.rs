//! What a person asks for who cannot go on: their link again, or a new password. Public; answered alike whoever
//! asks and whatever is found, and what is sent goes to the address on record alone.

use super::Api;
use super::public::alike;
use super::refusals::{problem, undone};
use super::sign_up::Link;
use crate::domain::{Ask, fields};
use crate::store;
use crate::tokens::Named;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shared_events::AccountId;
use shared_host::requests::{Cause, lost};
use shared_http::{Client, Json, Problem};
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

/// As many patients of one address are looked at. No family is larger, and a mailbox gets no more mails at once.
const MOST_PATIENTS: i64 = 20;

/// Whose link. One of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "eve@example.org" }))]
pub struct RequestLink {
    /// The token of a link the person has, though it may not work any more.
    token: Option<String>,
    /// The person's address.
    #[schema(max_length = 254)]
    email: Option<String>,
}

/// Ask for a link again
///
/// An open invite is sent again to the address on record, within limits; where that cannot be, the clinic's staff
/// see that somebody needs help. The answer is the same for everybody.
#[utoipa::path(
    post, path = "/api/request_link", tag = "patient", security(()),
    request_body = RequestLink,
    responses((status = 202, description = "Taken, whatever there is to send"))
)]
pub async fn request_link(
    State(api): State<Api>,
    client: Client,
    cause: Cause,
    Json(body): Json<RequestLink>,
) -> Result<StatusCode, Problem> {
    let since = Instant::now();
    let targets = match (body.token, body.email) {
        (Some(token), None) => {
            api.admit(&api.limits().request_link, &client).await?;
            api.find(&token).await?.into_iter().collect()
        }
        (None, Some(email)) => {
            let address = fields::address("email", &email).map_err(|refusal| problem(&refusal))?;
            api.admit(&api.limits().request_link, &client).await?;
            api.admit_address(&api.limits().request_link_address, &address).await?;
            api.links_at(&address).await?
        }
        _ => return Err(problem(&fields::invalid("email", "give either email or token"))),
    };
    for link in targets {
        let ask = Ask::RequestLink { invite: link.named.invite };
        let meta = cause.meta("patient".to_owned());
        // Whatever became of it is nobody's business here.
        let _ = api.try_submit(link.command(&api, ask, meta)).await?;
    }
    alike(since).await;
    Ok(StatusCode::ACCEPTED)
}

/// Whose password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "eve@example.org" }))]
pub struct RequestReset {
    /// The login's address.
    #[schema(max_length = 254)]
    email: String,
}

/// Ask for a new password
///
/// A mail with a link goes to each login of the address, within limits. The answer is the same for everybody.
#[utoipa::path(
    post, path = "/api/password_reset", tag = "patient", security(()),
    request_body = RequestReset,
    responses((status = 202, description = "Taken, whether or not there is a login"))
)]
pub async fn request_reset(
    State(api): State<Api>,
    client: Client,
    cause: Cause,
    Json(body): Json<RequestReset>,
) -> Result<StatusCode, Problem> {
    let since = Instant::now();
    let address = fields::address("email", &body.email).map_err(|refusal| problem(&refusal))?;
    api.admit(&api.limits().password_reset, &client).await?;
    api.admit_address(&api.limits().password_reset_address, &address).await?;
    let meta = cause.meta("patient".to_owned());
    api.logins.request_resets(&address, |_| true, &meta).await.map_err(undone)?;
    alike(since).await;
    Ok(StatusCode::ACCEPTED)
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "pr1.…", "password": "correct horse battery" }))]
pub struct ConfirmReset {
    /// What stands after the `#` of the mailed link.
    token: String,
    /// The new password, 10 to 200 characters.
    password: String,
}

/// Set a new password
///
/// Works once, within an hour of asking, and not after a newer request. Every session of the login ends.
#[utoipa::path(
    post, path = "/api/password_reset/confirm", tag = "patient", security(()),
    request_body = ConfirmReset,
    responses(
        (status = 204, description = "Set; sign in with it"),
        (status = 410, body = Problem, content_type = "application/problem+json",
         description = "`reset_ended`: no such link, or it was used, replaced or is too old, alike"),
        (status = 422, body = Problem, content_type = "application/problem+json",
         description = "`password_weak`; the link can still be used"),
    )
)]
pub async fn confirm_reset(
    State(api): State<Api>,
    client: Client,
    cause: Cause,
    Json(body): Json<ConfirmReset>,
) -> Result<StatusCode, Problem> {
    api.admit(&api.limits().password_reset_confirm, &client).await?;
    let meta = cause.meta("patient".to_owned());
    let reset = api.logins.reset(&body.token, &body.password, &meta).await.map_err(undone)?;
    reset.map(|()| StatusCode::NO_CONTENT).map_err(|refusal| problem(&refusal))
}

impl Api {
    /// The newest invite of each patient at an address. Whoever never had one has nothing to be sent.
    async fn links_at(&self, address: &str) -> Result<Vec<Link>, Problem> {
        let mut reader = self.core.db.read().await.map_err(lost)?;
        let patients =
            store::patients::at_address(reader.conn(), address, MOST_PATIENTS).await.map_err(lost)?;
        let ids: Vec<Uuid> = patients.iter().map(|(id, _)| *id).collect();
        let newest = store::invites::newest_of(reader.conn(), &ids).await.map_err(lost)?;
        let link = |(patient, account): (Uuid, String)| {
            let invite = *newest.get(&patient)?;
            let named = Named { invite, issue_no: 0 };
            Some(Link { named, patient, account: AccountId::parse(&account).ok()? })
        };
        Ok(patients.into_iter().filter_map(link).collect())
    }
}
