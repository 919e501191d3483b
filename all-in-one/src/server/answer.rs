//! What a server answered, or why it did not.

use anyhow::{Context, Result};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request that was answered with a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub struct Refused {
    /// The status.
    pub status: StatusCode,
    /// The problem's stable name.
    pub code: String,
    title: String,
    detail: String,
    fields: Vec<String>,
}

/// A server that did not answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the server at {url}")]
struct Unreachable {
    url: String,
    source: reqwest::Error,
}

/// Whether a failure may pass by itself: a server that restarts or is busy.
pub fn passes(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Refused>() {
        Some(refused) => refused.status.is_server_error() || refused.status == StatusCode::TOO_MANY_REQUESTS,
        None => error.is::<Unreachable>(),
    }
}

pub(super) fn unreachable(url: &str, error: reqwest::Error) -> anyhow::Error {
    Unreachable { url: url.to_owned(), source: error.without_url() }.into()
}

pub(super) async fn success(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body: Value = answer.json().await.unwrap_or_default();
    Err(Refused::of(status, &body).into())
}

pub(super) async fn read<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let answer = success(answer).await?;
    let bytes = answer.bytes().await.map_err(reqwest::Error::without_url);
    let bytes = bytes.context("the server's answer broke off")?;
    serde_json::from_slice(&bytes)
        .context("the server's answer is not understood: are program and server of one version?")
}

impl Refused {
    fn of(status: StatusCode, body: &Value) -> Refused {
        let word =
            |of: &Value, member: &str| of.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let errors = body.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        let field = |error: &Value| format!("{} {}", word(error, "pointer"), word(error, "message"));
        Refused {
            status,
            code: word(body, "code"),
            title: word(body, "title"),
            detail: word(body, "detail"),
            fields: errors.iter().map(field).collect(),
        }
    }

    fn words(&self) -> String {
        if self.status == StatusCode::UNAUTHORIZED {
            return format!(
                "the server does not take the token ({}): `patient-first token` makes one, if the server is yours",
                self.code
            );
        }
        let mut said = Vec::from([self.title.clone(), self.detail.clone(), self.fields.join("; ")]);
        said.retain(|part| !part.is_empty());
        if said.is_empty() {
            said.push("the server refuses without a word".to_owned());
        }
        format!("{} [{} {}]", said.join(": "), self.status.as_u16(), self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_is_said_in_its_own_words() {
        let body = json!({"code": "invalid", "title": "Not acceptable", "errors": [{"pointer": "/expiry_days", "message": "1 to 90"}]});
        let refused = Refused::of(StatusCode::UNPROCESSABLE_ENTITY, &body);
        assert_eq!(refused.to_string(), "Not acceptable: /expiry_days 1 to 90 [422 invalid]");
        assert!(!passes(&refused.into()));
        let away = Refused::of(StatusCode::SERVICE_UNAVAILABLE, &Value::Null);
        assert!(away.to_string().contains("without a word"));
        assert!(passes(&away.into()), "a server that restarts is asked again");
    }
}
