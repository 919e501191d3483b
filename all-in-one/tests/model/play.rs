//! Plays a script on the services and on the reference, and compares them.

use crate::reference::{Reference, Standing, State};
use crate::script::{Fact, Link, Script, Step};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use invites_service::domain as invites;
use patients_service::domain as patients;
use shared_events::Email;
use shared_events::invite::{GivenNames, InviteStatus};
use shared_events::patient::{ArchiveReason, PatientStatus};
use std::collections::BTreeMap;
use uuid::Uuid;

pub const BORN: (i32, u32, u32) = (1985, 1, 31);

/// The two services, around one patient who is on record.
pub trait System {
    /// A command to patients-service; whether it was allowed.
    async fn patient(&mut self, ask: patients::Ask, at: DateTime<Utc>) -> bool;
    /// A command to invites-service; the code of a refusal.
    async fn invite(&mut self, ask: invites::Ask, at: DateTime<Utc>) -> Result<(), String>;
    /// invites-service hears events of the patient, by their places in the stream.
    async fn tell(&mut self, places: &[usize], at: DateTime<Utc>);
    /// patients-service hears events of invites, by their places in the log.
    async fn hear(&mut self, places: &[usize], at: DateTime<Utc>);
    /// invites-service hears that a mail with a link was queued.
    async fn queued(&mut self, invite: Uuid, issue_no: i32, at: DateTime<Utc>);
    /// How many events the patient has.
    async fn patient_events(&mut self) -> usize;
    /// The events of invites, in the order of the log: whether each is an acceptance.
    async fn invite_events(&mut self) -> Vec<bool>;
    /// Every invite.
    async fn invites(&mut self) -> BTreeMap<Uuid, invites::Invite>;
    /// The patient's status, and whether an invite is pending, as patients-service has them.
    async fn standing(&mut self, at: DateTime<Utc>) -> (PatientStatus, bool);
}

struct Play<'a, S> {
    system: &'a mut S,
    reference: Reference,
    at: DateTime<Utc>,
    /// The invites that staff issued, in order.
    roots: Vec<Uuid>,
    /// Which of the events of invites are acceptances that patients-service has heard.
    moves: usize,
}

/// Plays it; says where the two differ. `begin` is when the patient was put on record. Gives back when it ended.
pub async fn play(
    system: &mut impl System,
    script: &Script,
    begin: DateTime<Utc>,
    watch: bool,
) -> Result<DateTime<Utc>, String> {
    let reference = Reference::new(script.policy, begin);
    let mut play = Play { system, reference, at: begin, roots: Vec::new(), moves: 0 };
    for (number, step) in script.steps.iter().enumerate() {
        play.at += TimeDelta::seconds(1);
        play.step(step).await.map_err(|why| format!("step {number}, {step:?}: {why}"))?;
        if watch {
            play.compare().await.map_err(|why| format!("after step {number}, {step:?}: {why}"))?;
        }
    }
    play.settle(script.shuffle).await?;
    play.compare().await.map_err(|why| format!("when everything was heard: {why}"))?;
    play.compare_patient().await?;
    Ok(play.at)
}

impl<S: System> Play<'_, S> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let at = self.at;
        match step {
            Step::Issue { days, email } => return self.issue(*days, *email).await,
            Step::Pass { hours } => self.at += TimeDelta::hours(*hours),
            Step::Sweep => {
                for (invite, _) in self.system.invites().await {
                    self.system.invite(invites::Ask::Expire { invite }, at).await?;
                }
                self.reference.sweep(at);
            }
            Step::Tell(places) => {
                let places = among(places, self.system.patient_events().await);
                self.system.tell(&places, at).await;
                self.reference.tell(&places, at);
            }
            Step::Hear(places) => {
                let told = self.system.invite_events().await;
                self.hear(&among(places, told.len())).await;
            }
            Step::Archive | Step::Restore | Step::Move { .. } | Step::Touch | Step::Erase => {
                return self.patient(step).await;
            }
            _ => return self.of_invite(step).await,
        }
        Ok(())
    }

    async fn hear(&mut self, places: &[usize]) {
        if places.is_empty() {
            return;
        }
        let told = self.system.invite_events().await;
        self.system.hear(places, self.at).await;
        if places.iter().any(|place| told[*place]) {
            self.reference.activate(self.at);
        }
    }

    async fn patient(&mut self, step: &Step) -> Result<(), String> {
        let at = self.at;
        self.moves += 1;
        let (ask, allowed) = match step {
            Step::Archive => {
                (patients::Ask::Archive { reason: ArchiveReason::Staff }, self.reference.archive(at))
            }
            Step::Restore => (patients::Ask::Restore, self.reference.restore(at)),
            Step::Move { reissue } => {
                let address = format!(
                    "m{}-{}@example.org",
                    self.moves,
                    Uuid::new_v5(&Uuid::nil(), at.to_string().as_bytes())
                );
                let email = Email::parse(&address).expect("an address");
                let patch = patients::Patch { email: Some(email), ..patients::Patch::default() };
                (change(patch, *reissue), self.reference.change(at, Some(*reissue)))
            }
            Step::Touch => {
                let notes = Some(Some(format!("note {}", self.moves)));
                (
                    change(patients::Patch { notes, ..patients::Patch::default() }, true),
                    self.reference.change(at, None),
                )
            }
            _ => {
                self.reference.erase(at);
                (patients::Ask::Erase { at, erasure_id: Uuid::nil() }, true)
            }
        };
        let done = self.system.patient(ask, at).await;
        same("allowed", done, allowed)?;
        same("events of the patient", self.system.patient_events().await, self.reference.happened())
    }

    async fn issue(&mut self, days: u16, email: bool) -> Result<(), String> {
        let invite = Uuid::new_v5(&Uuid::nil(), format!("{} {}", self.at, self.roots.len()).as_bytes());
        let ask = invites::IssueAsk {
            invite,
            provider_id: "dr-grey".into(),
            send_email: email,
            message: None,
            expiry_days: Some(days),
            import_id: None,
            token_key_id: "t1".into(),
        };
        let expected = self.reference.issue(self.at, days, email);
        let said = self.system.invite(invites::Ask::Issue(Box::new(ask)), self.at).await;
        if said.is_ok() {
            self.roots.push(invite);
        }
        same("issued", said, expected.map_err(str::to_owned))
    }

    async fn of_invite(&mut self, step: &Step) -> Result<(), String> {
        use invites::Ask;
        let Some(chosen) = chosen(step).checked_rem(self.roots.len()) else { return Ok(()) };
        let at = self.at;
        let invite = newest(&self.system.invites().await, self.roots[chosen]);
        let model = &mut self.reference;
        let number = |model: &Reference, link: Link| model.invites[chosen].number(link);
        let (ask, expected) = match step {
            Step::Resend(_) => (Ask::Resend { invite, token_key_id: "t2".into() }, model.resend(chosen, at)),
            Step::Extend(_, days) => (Ask::Extend { invite, days: *days }, model.extend(chosen, *days, at)),
            Step::Unlock(_) => (Ask::Unlock { invite }, model.unlock(chosen, at)),
            Step::Revoke(_) => (Ask::Revoke { invite, note: None }, model.revoke(chosen, at)),
            Step::Open(_, link) => {
                (Ask::Open { invite, issue_no: number(model, *link) }, model.open(chosen, *link, at))
            }
            Step::Prove(_, link, fact) => {
                let ask = Ask::Prove { invite, issue_no: number(model, *link), fact: given(*fact) };
                (ask, model.prove(chosen, *link, *fact, at))
            }
            Step::Accept(_, link, fact) => {
                let user_id = Uuid::new_v5(&invite, b"login");
                let login = invites::Login::Register { user_id, hash: "$argon2id$".into(), own: false };
                let (issue_no, fact_given) = (number(model, *link), given(*fact));
                let ask =
                    Ask::Accept { invite, issue_no, fact: fact_given, login, names: GivenNames::default() };
                (ask, model.accept(chosen, *link, *fact, at))
            }
            _ => {
                let issue_no = model.invites[chosen].issue;
                model.queued(chosen);
                self.system.queued(invite, issue_no, at).await;
                return Ok(());
            }
        };
        same("said", self.system.invite(ask, at).await, expected.map_err(str::to_owned))
    }

    /// Everything is heard at last, in some order, some of it twice.
    async fn settle(&mut self, shuffle: u64) -> Result<(), String> {
        let mut dice = shuffle;
        let mut heard = (0, 0);
        loop {
            self.at += TimeDelta::seconds(1);
            let there = (self.system.patient_events().await, self.system.invite_events().await.len());
            if there == heard {
                return Ok(());
            }
            for batch in shuffled(there.0, &mut dice).chunks(3) {
                self.system.tell(batch, self.at).await;
                self.reference.tell(batch, self.at);
            }
            for batch in shuffled(there.1, &mut dice).chunks(3) {
                self.hear(batch).await;
            }
            heard = there;
        }
    }

    async fn compare(&mut self) -> Result<(), String> {
        let invites = self.system.invites().await;
        for (place, root) in self.roots.iter().enumerate() {
            let (real, model) = (&invites[&newest(&invites, *root)], &self.reference.invites[place]);
            let status = match model.state {
                State::Pending if model.expires <= self.at => InviteStatus::Expired,
                State::Pending => InviteStatus::Pending,
                State::Accepted => InviteStatus::Accepted,
                State::Expired => InviteStatus::Expired,
                State::Revoked => InviteStatus::Revoked,
            };
            same(&format!("status of invite {place}"), real.status_at(self.at), status)?;
            same(&format!("lock of invite {place}"), real.locked_at.is_some(), model.locked)?;
            for number in 0..=model.issue + 1 {
                let works = real.is_open(self.at) && real.is_live(number);
                let should = model.is_open(self.at) && model.takes(number);
                same(&format!("link {number} of invite {place}"), works, should)?;
            }
        }
        // Nothing is open that is not the newest of one of those.
        let open = invites.values().filter(|invite| invite.is_open(self.at)).count();
        let expected = self.reference.invites.iter().filter(|invite| invite.is_open(self.at)).count();
        same("open invites", open, expected)
    }

    async fn compare_patient(&mut self) -> Result<(), String> {
        let status = match self.reference.standing() {
            Standing::Pending => PatientStatus::Pending,
            Standing::Active => PatientStatus::Active,
            Standing::Inactive => PatientStatus::Inactive,
            Standing::Erased => PatientStatus::Erased,
        };
        let pending = self.reference.invites.iter().any(|invite| invite.is_open(self.at));
        let (real, open) = self.system.standing(self.at).await;
        same("the patient's status", real, status)?;
        same("has_pending_invite", open, pending)
    }
}

fn change(patch: patients::Patch, reissue_invites: bool) -> patients::Ask {
    patients::Ask::Change { patch: Box::new(patch), reissue_invites, import_id: None }
}

fn given(fact: Fact) -> invites::Fact {
    let (year, month, day) = BORN;
    let day = if fact == Fact::Right { day } else { day - 1 };
    invites::Fact::DateOfBirth(NaiveDate::from_ymd_opt(year, month, day).expect("a date"))
}

fn chosen(step: &Step) -> usize {
    match step {
        Step::Resend(invite)
        | Step::Extend(invite, _)
        | Step::Unlock(invite)
        | Step::Revoke(invite)
        | Step::Open(invite, _)
        | Step::Prove(invite, ..)
        | Step::Accept(invite, ..)
        | Step::Queue(invite) => *invite,
        other => unreachable!("{other:?} is about no invite"),
    }
}

/// What an invite has become: the last that issues it again.
fn newest(invites: &BTreeMap<Uuid, invites::Invite>, root: Uuid) -> Uuid {
    let next = |id: Uuid| invites.iter().find(|(_, invite)| invite.reissue_of == Some(id)).map(|(id, _)| *id);
    std::iter::successors(Some(root), |id| next(*id)).last().unwrap_or(root)
}

fn among(places: &[usize], count: usize) -> Vec<usize> {
    places.iter().filter_map(|place| place.checked_rem(count)).collect()
}

/// Every place up to `count`, some twice, in an order that `dice` chooses.
fn shuffled(count: usize, dice: &mut u64) -> Vec<usize> {
    let mut below = |bound: usize| {
        *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*dice >> 33) as usize % bound
    };
    let mut places: Vec<usize> = (0..count).chain((0..count).filter(|place| place % 3 == 0)).collect();
    for last in (1..places.len()).rev() {
        places.swap(last, below(last + 1));
    }
    places
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, real: T, expected: T) -> Result<(), String> {
    if real == expected { Ok(()) } else { Err(format!("{what}: {real:?}, expected {expected:?}")) }
}
