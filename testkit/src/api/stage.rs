//! A service on which proofs are made, and who asks it.

use super::{Call, Operation, Reply, operations};
use chrono::TimeDelta;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use shared_events::AccountId;
use shared_http::{Claims, Clock, Minter, Role, generate_signing_key};
use uuid::Uuid;

/// Who signs tokens.
#[derive(Clone)]
pub struct Issuer<'a> {
    /// The private key as PEM.
    pub private: &'a str,
    /// The `iss` of tokens.
    pub name: &'a str,
    /// The `aud` of tokens.
    pub audience: &'a str,
    /// Tells the time.
    pub clock: Clock,
}

impl Issuer<'_> {
    fn mint(&self, clinic: &str, role: Role, ttl: TimeDelta) -> String {
        let account = AccountId::parse(clinic).expect("a clinic");
        let claims = Claims { account, subject: "staff-7".to_owned(), role, name: None };
        let minter = Minter::new(self.private, self.name, self.audience, self.clock.clone());
        minter.expect("a minter").mint(&claims, ttl).expect("a token")
    }
}

/// A served service, and who may ask it.
pub struct Stage {
    /// Where it is.
    pub url: String,
    /// What it says of itself.
    pub document: Value,
    /// Tokens of the clinic `clinic-1`, from the least role to the greatest.
    pub roles: [(String, String); 3],
    /// A token of an admin of another clinic.
    pub stranger: String,
    /// Tokens that are not taken, each with the code it is refused with.
    pub bad: Vec<(&'static str, String, &'static str)>,
    /// Things of `clinic-1`: patients first.
    pub things: Vec<Uuid>,
    /// A link's token, where there are links.
    pub link: Option<String>,
    /// Asks.
    pub client: Client,
}

impl Stage {
    /// A stage for the service at `url`, which believes `issuer`. `things` are what `clinic-1` has.
    ///
    /// # Panics
    /// When the service does not describe itself at `document`.
    pub async fn new(url: &str, document: &str, issuer: &Issuer<'_>, things: Vec<Uuid>) -> Stage {
        let client = Client::builder().no_proxy().build().expect("a client");
        let told = client.get(format!("{url}{document}")).send().await.expect("a document");
        let document = told.json().await.expect("JSON");
        let hour = TimeDelta::hours(1);
        let (foreign, _) = generate_signing_key().expect("a key");
        let other = |name, audience| Issuer { name, audience, ..issuer.clone() };
        let bad = [
            ("garbage", "garbage".to_owned(), "token_invalid"),
            ("an expired token", issuer.mint("clinic-1", Role::Admin, -hour), "token_expired"),
            (
                "another issuer's",
                other("elsewhere", issuer.audience).mint("clinic-1", Role::Admin, hour),
                "token_invalid",
            ),
            (
                "one for others",
                other(issuer.name, "elsewhere").mint("clinic-1", Role::Admin, hour),
                "token_invalid",
            ),
            (
                "another key's",
                Issuer { private: &foreign, ..issuer.clone() }.mint("clinic-1", Role::Admin, hour),
                "token_invalid",
            ),
        ];
        let roles = [Role::Viewer, Role::Staff, Role::Admin];
        Stage {
            url: url.to_owned(),
            document,
            roles: roles.map(|role| (role.to_string(), issuer.mint("clinic-1", role, hour))),
            stranger: issuer.mint("clinic-2", Role::Admin, hour),
            bad: bad.to_vec(),
            things,
            link: None,
            client,
        }
    }

    /// Every operation of the service.
    pub fn operations(&self) -> Vec<Operation> {
        operations(&self.document)
    }

    /// The admin's token.
    pub fn admin(&self) -> &str {
        &self.roles[2].1
    }

    /// Sends a request; an event stream is not read to its end.
    pub async fn ask(&self, method: &Method, call: &Call, token: Option<&str>) -> Reply {
        let mut request = self.client.request(method.clone(), format!("{}{}", self.url, call.target));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some((kind, text)) = &call.body {
            request = request.header("content-type", kind).body(text.clone());
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("an answer");
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (status, request_id) = (response.status(), header("x-request-id"));
        let streamed = status == StatusCode::OK && header("content-type").starts_with("text/event-stream");
        let text = if streamed { String::new() } else { response.text().await.expect("a body") };
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let code = body["code"].as_str().filter(|_| status.as_u16() >= 400).unwrap_or_default().to_owned();
        Reply { status: status.as_u16(), code, body, request_id }
    }
}
