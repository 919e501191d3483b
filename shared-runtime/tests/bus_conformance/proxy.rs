//! A network that fails on demand, between a test and its broker.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does with all its connections.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Passes,
    /// Takes bytes and passes none on, as a broken route does.
    Swallows,
    /// Says to the client, once per connection, that the broker is in alarm, and passes nothing on.
    Alarms,
    Cuts,
}

#[derive(Clone, Copy, Default)]
struct Weather {
    mood: Mood,
    /// Counts the cuts, so that none is missed by a connection that looks only after the healing.
    cuts: u32,
}

pub struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    /// Listens on a port of its own and passes on to `target`.
    pub async fn start(target: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (weather, watching) = watch::channel(Weather::default());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                let (client_in, client_out) = client.into_split();
                let (server_in, server_out) = server.into_split();
                tokio::spawn(pass(client_in, server_out, watching.clone(), false));
                tokio::spawn(pass(server_in, client_out, watching.clone(), true));
            }
        });
        Proxy { port, weather }
    }

    /// A broker's URL, led through here.
    pub fn url(&self, broker: &str, query: &str) -> String {
        let (host, _) = target(broker);
        broker.replacen(&host, &format!("127.0.0.1:{}", self.port), 1) + query
    }

    pub fn swallow(&self) {
        self.weather.send_modify(|weather| weather.mood = Mood::Swallows);
    }

    pub fn alarm(&self) {
        self.weather.send_modify(|weather| weather.mood = Mood::Alarms);
    }

    /// Ends all connections, and new ones too, until healed.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| {
            weather.mood = Mood::Cuts;
            weather.cuts += 1;
        });
    }

    pub fn heal(&self) {
        self.weather.send_modify(|weather| weather.mood = Mood::Passes);
    }
}

/// Host and port in a broker's URL, and what follows.
pub fn target(broker: &str) -> (String, String) {
    let rest = broker.split_once("://").unwrap().1;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (host.to_owned(), path.to_owned())
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    to_client: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut warned = false;
    let cuts_before = weather.borrow().cuts;
    loop {
        let Weather { mood: now, cuts } = *weather.borrow_and_update();
        if now == Mood::Cuts || cuts != cuts_before {
            return;
        }
        if now == Mood::Alarms && to_client && !warned {
            warned = true;
            to.write_all(&blocked_frame()).await.unwrap();
        }
        tokio::select! {
            _ = weather.changed() => {}
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) if now == Mood::Passes => {
                    if to.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                Ok(_) => {}
            },
        }
    }
}

/// `connection.blocked` (class 10, method 60) on channel 0, as a broker sends it.
fn blocked_frame() -> Vec<u8> {
    let reason = b"low on memory";
    let mut payload = vec![0, 10, 0, 60, u8::try_from(reason.len()).unwrap()];
    payload.extend_from_slice(reason);
    let mut frame = vec![1, 0, 0];
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&payload);
    frame.push(0xCE);
    frame
}
