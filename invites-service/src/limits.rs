//! How often what may be done. Each number has its reason beside it; all are counted in the database, so that
//! neither a restart nor a second copy of the service gives more.

use crate::desk::{Command, Counts};
use crate::domain::{Ask, Book};
use chrono::{DateTime, Utc};
use shared_http::{Cidr, TrustedProxies};
use shared_runtime::Tx;
use shared_runtime::limits::{Bucket, Levels, Limit, Limiter};
use std::time::Duration;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// What a busy front desk does not reach by hand, and a script that runs wild does.
const INVITES_PER_HOUR: u32 = 2_000;

/// Every limit of the service.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Links made for one patient by staff. More than a handful a day is a mistake that repeats itself.
    pub patient: Limit,
    /// Links made for one address within a clinic, which a family may share.
    pub address: Limit,
    /// Links made by one clinic's staff one by one. Whoever has more to invite makes a bulk job.
    pub clinic: Limit,
    /// New links of one invite: a button that is pressed twice sends one mail.
    pub resend: Limit,
    /// Links sent because somebody asked who may be anybody: a mailbox is not flooded by a stranger.
    pub link: Limit,
    /// Mails that set a new password, for the same reason.
    pub reset: Limit,
    /// Looks at links by one client; a page looks once.
    pub verify: Limit,
    /// Acceptances by one client: a waiting room behind one address signs up in a minute, a guesser is slowed.
    pub accept: Limit,
    /// Sign-ins by one client.
    pub session: Limit,
    /// Sign-ins at one address, whoever tries.
    pub session_address: Limit,
    /// Requests for a link by one client.
    pub request_link: Limit,
    /// Requests for a link for one address.
    pub request_link_address: Limit,
    /// Requests for a new password by one client.
    pub password_reset: Limit,
    /// Uses of the links that such requests lead to: a password that is too weak is typed again.
    pub password_reset_confirm: Limit,
    /// Requests for a new password for one address.
    pub password_reset_address: Limit,
    /// Who is believed when they say for whom they ask.
    pub proxies: TrustedProxies,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            patient: Limit::new("invite.patient", 10, DAY),
            address: Limit::new("invite.address", 20, DAY),
            clinic: Limit::new("invite.clinic", INVITES_PER_HOUR, HOUR),
            resend: Limit::new("invite.resend", 1, MINUTE),
            link: Limit::new("link.patient", 5, DAY),
            reset: Limit::new("reset.login", 5, DAY),
            verify: Limit::new("public.verify", 60, MINUTE),
            accept: Limit::new("public.accept", 30, MINUTE),
            session: Limit::new("public.session", 30, MINUTE),
            session_address: Limit::new("public.session_address", 30, MINUTE),
            request_link: Limit::new("public.link", 10, HOUR),
            request_link_address: Limit::new("public.link_address", 10, HOUR),
            password_reset: Limit::new("public.reset", 10, HOUR),
            password_reset_confirm: Limit::new("public.reset_confirm", 30, HOUR),
            password_reset_address: Limit::new("public.reset_address", 10, HOUR),
            proxies: TrustedProxies::default(),
        }
    }
}

/// What an operator says about limits.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitFlags {
    /// The proxies in front of it, as addresses or ranges (10.0.0.0/8,fd00::/8): what they write into
    /// X-Forwarded-For is taken for the client, whose requests are limited. Without it the peer is the client.
    #[arg(long, env = "PF_TRUSTED_PROXIES", value_delimiter = ',', value_name = "CIDR")]
    trusted_proxies: Vec<Cidr>,
    /// How many invites a clinic's staff may make one by one within an hour; bulk jobs and imports are not counted.
    #[arg(long, env = "PF_INVITES_PER_HOUR", default_value_t = INVITES_PER_HOUR,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    invites_per_hour: u32,
}

impl LimitFlags {
    /// Every limit, as the operator wants it.
    pub fn limits(&self) -> Limits {
        Limits {
            clinic: Limit::new("invite.clinic", self.invites_per_hour, HOUR),
            proxies: TrustedProxies::new(self.trusted_proxies.iter().copied()),
            ..Limits::default()
        }
    }
}

/// The limits, and what names their buckets.
#[derive(Debug, Clone)]
pub struct Counter {
    /// Every limit.
    pub limits: Limits,
    /// Names buckets.
    pub limiter: Limiter,
}

/// A limit's name, and its bucket for whom a command concerns.
type Named = (&'static str, Bucket);

impl Counter {
    /// The buckets that a command must find room in, the narrowest first.
    fn of(&self, command: &Command, book: &Book) -> Vec<Named> {
        let (limits, patient) = (&self.limits, command.patient);
        let mut wanted = Vec::new();
        let mut add = |limit: &Limit, subject: &[u8]| {
            wanted.push((limit.name, self.limiter.bucket(limit, subject)));
        };
        match (&command.ask, command.counts) {
            (_, Counts::Nothing) => {}
            (Ask::RequestLink { .. }, _) => add(&limits.link, patient.as_bytes()),
            (Ask::Issue(_) | Ask::Resend { .. }, counts) => {
                if let Ask::Resend { invite, .. } = &command.ask {
                    add(&limits.resend, invite.as_bytes());
                }
                add(&limits.patient, patient.as_bytes());
                let address = book.patient.as_ref().and_then(|patient| patient.address());
                if let Some(address) = address {
                    // Within the clinic: what another clinic does with the same address must not show.
                    add(&limits.address, format!("{}\0{address}", command.account).as_bytes());
                }
                if counts == Counts::All {
                    add(&limits.clinic, command.account.as_str().as_bytes());
                }
            }
            _ => {}
        }
        wanted
    }
}

/// What room a group of commands finds. Read under the locks of their patients, written with what they decide: a
/// command that is refused or rolled back takes none.
pub struct Room {
    wanted: Vec<Vec<Named>>,
    levels: Levels,
}

impl Room {
    /// Locks and reads the buckets of the commands, each with the book of its patient.
    pub async fn load<'a>(
        counter: &Counter,
        tx: &mut Tx,
        commands: impl Iterator<Item = (&'a Command, Option<&'a Book>)>,
    ) -> sqlx::Result<Room> {
        let of = |(command, book): (&Command, Option<&Book>)| match book {
            Some(book) => counter.of(command, book),
            None => Vec::new(),
        };
        let wanted: Vec<Vec<Named>> = commands.map(of).collect();
        let levels = Levels::load(tx, wanted.iter().flatten().map(|(_, bucket)| *bucket)).await?;
        Ok(Room { wanted, levels })
    }

    /// The limit that leaves no room for the command at `place`, and how long to wait; of several the one that
    /// lasts longest.
    pub fn full(&self, place: usize, at: DateTime<Utc>) -> Option<(&'static str, Duration)> {
        let full = |(name, bucket): &Named| Some((*name, self.levels.room(bucket, at).err()?));
        self.wanted[place].iter().filter_map(full).max_by_key(|(_, wait)| *wait)
    }

    /// The command at `place` was carried out.
    pub fn take(&mut self, place: usize, at: DateTime<Utc>) {
        for (_, bucket) in &self.wanted[place] {
            self.levels.take(bucket, at);
        }
    }

    /// Writes what was taken.
    pub async fn put(self, tx: &mut Tx) -> sqlx::Result<()> {
        self.levels.put(tx).await
    }
}
