//! Server-sent events, read as a browser reads them.

use crate::world::{CLINIC, PATIENCE, World};
use serde_json::Value;
use shared_http::Role;

/// Server-sent events as they come.
pub struct EventStream {
    response: reqwest::Response,
    text: String,
}

impl World {
    /// Follows a route of server-sent events, as a viewer.
    pub async fn stream(&self, path: &str) -> EventStream {
        let asked = self.client.get(format!("{}{path}", self.url));
        let asked = asked.bearer_auth(self.token(CLINIC, Role::Viewer));
        let response = asked.send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        EventStream { response, text: String::new() }
    }
}

impl EventStream {
    /// The next event: its name and its data. None once the stream is closed.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let told = field("event: ").zip(field("data: "));
                let told =
                    told.map(|(name, data)| (name.to_owned(), serde_json::from_str(data).expect("JSON")));
                self.text = rest.to_owned();
                match told {
                    Some(told) => return Some(told),
                    // A line that only keeps the connection alive.
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("in time");
            self.text.push_str(std::str::from_utf8(&chunk.expect("a chunk")?).expect("text"));
        }
    }
}
