//! `patient-first serve`.

use crate::data_dir::DataDir;
use crate::embedded::Embedded;
use anyhow::{Context, Result};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use invites_service::limits::LimitFlags;
use shared_host::serve::{Sockets, serve};
use shared_host::{logs, stop_on_signal};
use shared_http::ServiceToken;
use shared_runtime::clock::Clock;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The directory everything lives in; made where there is none.
    #[arg(long, env = "PF_DATA_DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Where it serves.
    #[arg(long, env = "PF_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where people reach it, if that is elsewhere: the beginning of every link.
    #[arg(long, env = "PF_PUBLIC_URL")]
    public_url: Option<String>,
    /// Where health and internal routes are; a free port on loopback where absent.
    #[arg(long, env = "PF_ADMIN_LISTEN", default_value = "127.0.0.1:0")]
    admin_listen: SocketAddr,
    #[command(flatten)]
    limits: LimitFlags,
}

/// Serves until it is told to stop.
pub async fn run(flags: Flags) -> Result<()> {
    logs::start();
    let dir = DataDir::open(&flags.data_dir)?;
    let sockets = Sockets::bind(flags.listen, flags.admin_listen).await?;
    let (public, admin) = sockets.addresses()?;
    let url = format!("http://{public}");
    let public_url = flags.public_url.as_deref().unwrap_or(&url);
    let embedded = Embedded::open(&dir, public_url, flags.limits.limits(), Clock::System).await?;
    let service_token = service_token()?;
    dir.write_private("service-token", &format!("{service_token}\n"))?;
    dir.write_private("admin-url", &format!("http://{admin}\n"))?;
    dir.write_private("server-url", &format!("{url}\n"))?;
    let stop = stop_on_signal()?;
    let hosted = embedded.host(Some(ServiceToken::new([service_token.as_str()])?));
    welcome(&url, &flags.data_dir);
    serve(hosted, sockets, stop).await?;
    dir.forget_server();
    embedded.close().await;
    Ok(())
}

fn service_token() -> Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).context("the operating system gives no random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Says where it is, and three lines that work as they stand.
fn welcome(url: &str, dir: &Path) {
    let program = std::env::current_exe().map_or_else(|_| "patient-first".to_owned(), |path| shown(&path));
    let token = match dir.to_str() {
        Some("./data") => format!("$({program} token)"),
        _ => format!("$({program} token --data-dir {})", shown(dir)),
    };
    let ask = format!("curl -s -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json'");
    eprintln!(
        "
  patient-first serves at {url}
  everything is kept in   {}
  try the API at          {url}/docs

  Put a patient on record:
    {ask} {url}/api/patients -d '{{\"email\":\"ada@example.org\",\"first_name\":\"Ada\",\"last_name\":\"Lovelace\",\"date_of_birth\":\"1990-02-28\"}}'

  Invite the first patient of the list:
    {ask} {url}/api/generate_invite -d \"{{\\\"provider_id\\\":\\\"dr-grey\\\",\\\"patient_id\\\":\\\"$({ask} {url}/api/patients | grep -o '[0-9a-f-]\\{{36\\}}' | head -1)\\\"}}\"

  See has_pending_invite follow:
    {ask} {url}/api/patients

  Import a whole register: {program} import FILE.csv
  Stop with Ctrl-C. Nothing is lost if it is killed instead.
",
        dir.display()
    );
}

/// A path relative to where the person stands, if it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here) {
        Ok(below) => format!("./{}", below.display()),
        Err(_) => path.display().to_string(),
    }
}
