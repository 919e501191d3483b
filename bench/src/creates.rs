//! Creates over HTTP: one connection per client, kept open, one request at a time on each.
//!
//! The client writes and reads HTTP/1.1 by hand: it shares the machine with what it measures, and every
//! cycle it spends is one the service does not get.

use anyhow::{Context, Result, bail};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where, how many, how long.
#[derive(clap::Args)]
pub struct Flags {
    /// HOST:PORT of patients-service.
    #[arg(long)]
    at: String,
    /// A token for it, from the environment so that it is not seen in the list of processes.
    #[arg(long, env = "PF_TOKEN", hide_env_values = true)]
    token: String,
    /// Clients at a time.
    #[arg(long)]
    clients: usize,
    /// Seconds that count; one more goes before.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Makes addresses differ from those of other runs.
    #[arg(long)]
    run: String,
}

/// Prints creates per second and the latencies' median and 99th percentile in milliseconds.
pub async fn run(flags: Flags) -> Result<()> {
    let begin = Instant::now() + Duration::from_secs(1);
    let end = begin + Duration::from_secs(flags.seconds);
    let mut clients = Vec::new();
    for client in 0..flags.clients {
        let (at, token, run) = (flags.at.clone(), flags.token.clone(), flags.run.clone());
        clients.push(tokio::spawn(
            async move { one(&at, &token, &format!("{run}-{client}"), begin, end).await },
        ));
    }
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await??);
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        latencies.get((latencies.len() as f64 * share) as usize).map_or(0.0, |d| d.as_secs_f64() * 1e3)
    };
    let rate = latencies.len() as f64 / flags.seconds as f64;
    println!(
        "{}",
        json!({ "clients": flags.clients, "per_second": rate, "p50_ms": at(0.5), "p99_ms": at(0.99) })
    );
    Ok(())
}

async fn one(at: &str, token: &str, name: &str, begin: Instant, end: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(at).await.with_context(|| format!("cannot reach {at}"))?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut answer = Vec::with_capacity(4096);
    for number in 0_u64.. {
        let body = json!({
            "email": format!("{name}-{number}@example.org"), "first_name": "Ada", "last_name": format!("Lovelace {number}"),
            "phone": "+44 20 7946 0018", "date_of_birth": "1990-02-28", "external_id": format!("{name}-{number}"),
        })
        .to_string();
        let request = format!(
            "POST /api/patients HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {token}\r\nidempotency-key: {name}-{number}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let started = Instant::now();
        if started >= end {
            break;
        }
        stream.write_all(request.as_bytes()).await?;
        read(&mut stream, &mut answer).await?;
        let done = Instant::now();
        if started >= begin && done <= end {
            latencies.push(done - started);
        }
    }
    Ok(latencies)
}

async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some(head) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("no content-length")?;
        let whole = head + 4 + length.trim().parse::<usize>()?;
        while answer.len() < whole {
            stream.read_buf(answer).await?;
        }
        if !text.starts_with("http/1.1 201") {
            bail!("not created: {}", String::from_utf8_lossy(answer));
        }
        return Ok(());
    }
}
