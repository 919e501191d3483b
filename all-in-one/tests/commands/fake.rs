//! A server that answers what a test tells it to, and keeps what it was asked.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// How much of a body is kept.
const KEPT: usize = 2 * 1024 * 1024;

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and path with its query: `GET /api/imports?limit=20`.
    pub line: String,
    pub headers: HeaderMap,
    /// The beginning of its body.
    pub body: Vec<u8>,
    pub bytes: usize,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct Inner {
    answers: Mutex<HashMap<String, VecDeque<(u16, String)>>>,
    asked: Mutex<Vec<Asked>>,
    was_asked: Notify,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Fake {
    pub url: String,
    inner: Arc<Inner>,
}

impl Fake {
    pub async fn start() -> Fake {
        let inner = Arc::new(Inner::default());
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", socket.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Fake { url, inner }
    }

    /// What is answered to a request, such as `GET /api/imports/x`: each answer once, the last for ever.
    pub fn on(&self, line: &str, answers: &[(u16, Value)]) -> &Fake {
        let answers = answers.iter().map(|(status, body)| (*status, body.to_string())).collect();
        self.inner.answers.lock().expect("a lock").insert(line.to_owned(), answers);
        self
    }

    /// The same with a text.
    pub fn on_text(&self, line: &str, text: &str) -> &Fake {
        let answers = VecDeque::from([(200, text.to_owned())]);
        self.inner.answers.lock().expect("a lock").insert(line.to_owned(), answers);
        self
    }

    /// Everything that was asked, in its order.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().expect("a lock").clone()
    }

    /// The requests of one kind.
    pub fn asked_for(&self, line: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.line == line).collect()
    }

    /// Waits until something was asked so many times.
    pub async fn until_asked(&self, line: &str, times: usize) {
        loop {
            let notified = self.inner.was_asked.notified();
            if self.asked_for(line).len() >= times {
                return;
            }
            notified.await;
        }
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let headers = request.headers().clone();
    let (body, bytes) = read(request.into_body()).await;
    let told = {
        let mut answers = inner.answers.lock().expect("a lock");
        let queue = answers.get_mut(&line);
        queue.and_then(|queue| if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() })
    };
    inner.asked.lock().expect("a lock").push(Asked { line, headers, body, bytes });
    inner.was_asked.notify_waiters();
    match told {
        Some((status, text)) => (StatusCode::from_u16(status).expect("a status"), text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn read(body: Body) -> (Vec<u8>, usize) {
    use futures_util::StreamExt;
    let mut pieces = body.into_data_stream();
    let (mut kept, mut bytes) = (Vec::new(), 0);
    while let Some(Ok(piece)) = pieces.next().await {
        bytes += piece.len();
        kept.extend_from_slice(&piece[..piece.len().min(KEPT - kept.len())]);
    }
    (kept, bytes)
}
