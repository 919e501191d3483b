//! The rules once more, told as simply as they can be: a list of invites, and what is known of one patient. An invite that is
//! issued again to a new address is the same one going on.

use crate::script::{Fact, Link};
use chrono::{DateTime, TimeDelta, Utc};
use shared_events::clinic::OpenInvitePolicy;
use std::collections::BTreeSet;

type Time = DateTime<Utc>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Pending,
    Active,
    Inactive,
    Erased,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Moved { reissue: bool },
    Ended,
    Other,
}

/// An event of the patient.
#[derive(Debug, Clone, Copy)]
struct Happened {
    at: Time,
    what: What,
    standing: Standing,
    /// How many events up to the last that made open invites void, that one included.
    void: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Accepted,
    Expired,
    Revoked,
}

#[derive(Debug, Clone)]
pub struct Invite {
    pub state: State,
    pub expires: Time,
    runs: TimeDelta,
    made: Time,
    pub issue: i32,
    oldest: i32,
    pub locked: bool,
    wrong: u8,
    email: bool,
    /// How many events of the patient were known when it was made.
    source: usize,
    /// Ended by what happened to the patient.
    voided: bool,
    /// In which order invites were made.
    made_as: usize,
}

/// The patient as it is, what invites-service knows of it, and the invites.
pub struct Reference {
    policy: OpenInvitePolicy,
    history: Vec<Happened>,
    registered: bool,
    told: BTreeSet<usize>,
    accepted: bool,
    pub invites: Vec<Invite>,
    made: usize,
}

type Said = Result<(), &'static str>;

impl Reference {
    pub fn new(policy: OpenInvitePolicy, at: Time) -> Reference {
        let created = Happened { at, what: What::Other, standing: Standing::Pending, void: 0 };
        Reference {
            policy,
            history: vec![created],
            registered: false,
            told: BTreeSet::new(),
            accepted: false,
            invites: Vec::new(),
            made: 0,
        }
    }

    /// How many events the patient has had.
    pub fn happened(&self) -> usize {
        self.history.len()
    }

    pub fn standing(&self) -> Standing {
        self.history[self.history.len() - 1].standing
    }

    fn happens(&mut self, at: Time, what: What, standing: Standing) {
        let voids = what != What::Other;
        let void = if voids { self.history.len() + 1 } else { self.history[self.history.len() - 1].void };
        self.history.push(Happened { at, what, standing, void });
    }

    /// Whether it is allowed.
    pub fn archive(&mut self, at: Time) -> bool {
        match self.standing() {
            Standing::Erased => return false,
            Standing::Inactive => {}
            Standing::Pending | Standing::Active => self.happens(at, What::Ended, Standing::Inactive),
        }
        true
    }

    pub fn restore(&mut self, at: Time) -> bool {
        match self.standing() {
            Standing::Erased => return false,
            Standing::Inactive => {
                let standing = if self.registered { Standing::Active } else { Standing::Pending };
                self.happens(at, What::Other, standing);
            }
            Standing::Pending | Standing::Active => {}
        }
        true
    }

    pub fn change(&mut self, at: Time, moved: Option<bool>) -> bool {
        let standing = self.standing();
        if matches!(standing, Standing::Inactive | Standing::Erased) {
            return false;
        }
        let what = moved.map_or(What::Other, |reissue| What::Moved { reissue });
        self.happens(at, what, standing);
        true
    }

    pub fn erase(&mut self, at: Time) {
        if self.standing() != Standing::Erased {
            self.happens(at, What::Ended, Standing::Erased);
        }
    }

    /// patients-service hears of an acceptance.
    pub fn activate(&mut self, at: Time) {
        let standing = match self.standing() {
            Standing::Erased => return,
            Standing::Inactive => Standing::Inactive,
            Standing::Pending | Standing::Active => Standing::Active,
        };
        if !self.registered {
            self.registered = true;
            self.happens(at, What::Other, standing);
        }
    }

    fn known(&self) -> Option<Happened> {
        self.told.last().map(|place| self.history[*place])
    }

    /// What was heard is a set: neither order nor repetition makes a difference.
    pub fn tell(&mut self, places: &[usize], at: Time) {
        let new: BTreeSet<usize> =
            places.iter().copied().filter(|place| !self.told.contains(place)).collect();
        self.told.extend(&new);
        let Some(known) = self.known() else { return };
        for invite in self.invites.iter_mut().filter(|invite| invite.state == State::Pending) {
            if known.standing == Standing::Erased || invite.source < known.void {
                invite.state = if invite.expires <= at { State::Expired } else { State::Revoked };
                invite.voided = invite.state == State::Revoked;
            }
        }
        let asked = new.iter().any(|place| self.history[*place].what == What::Moved { reissue: true });
        if asked && known.standing == Standing::Pending && !self.accepted {
            self.issue_again(at, known);
        }
    }

    fn issue_again(&mut self, at: Time, known: Happened) {
        let newest = self.invites.iter().map(|invite| invite.made_as).max();
        let knows = self.told.last().map_or(0, |place| place + 1);
        for place in 0..self.invites.len() {
            let invite = &self.invites[place];
            let alone = self.policy == OpenInvitePolicy::Allow || Some(invite.made_as) == newest;
            if !alone || !self.lost_by_moving(invite, known.void) {
                continue;
            }
            self.made += 1;
            let again = Invite {
                state: State::Pending,
                expires: at + invite.runs,
                made: at,
                issue: 1,
                oldest: 1,
                locked: false,
                wrong: 0,
                source: knows,
                voided: false,
                made_as: self.made,
                ..invite.clone()
            };
            self.invites[place] = again;
        }
    }

    /// Whether nothing but changes of address, each heard and each asking for it, stands between an invite and now.
    fn lost_by_moving(&self, invite: &Invite, until: usize) -> bool {
        let since: Vec<usize> =
            (invite.source..until).filter(|p| self.history[*p].what != What::Other).collect();
        let moved = |place: &usize| self.history[*place].what == What::Moved { reissue: true };
        let Some(first) = since.first() else { return false };
        let in_time = invite.state == State::Expired && invite.expires > self.history[*first].at;
        (invite.voided || in_time) && since.iter().all(|place| moved(place) && self.told.contains(place))
    }

    fn may_invite(&self) -> Said {
        match self.known().map(|known| known.standing) {
            None => Err("patient_unknown"),
            Some(Standing::Erased) => Err("patient_erased"),
            Some(Standing::Inactive) => Err("patient_inactive"),
            Some(Standing::Active) => Err("patient_already_registered"),
            Some(Standing::Pending) if self.accepted => Err("patient_already_registered"),
            Some(Standing::Pending) => Ok(()),
        }
    }

    pub fn issue(&mut self, at: Time, days: u16, email: bool) -> Said {
        self.may_invite()?;
        let open = self.invites.iter().any(|invite| invite.is_open(at));
        if open && self.policy == OpenInvitePolicy::Reject {
            return Err("open_invite_exists");
        }
        self.sweep(at);
        if self.policy == OpenInvitePolicy::Supersede {
            self.invites
                .iter_mut()
                .filter(|i| i.state == State::Pending)
                .for_each(|i| i.state = State::Revoked);
        }
        let runs = TimeDelta::days(days.into());
        self.made += 1;
        self.invites.push(Invite {
            state: State::Pending,
            expires: at + runs,
            runs,
            made: at,
            issue: 1,
            oldest: 1,
            locked: false,
            wrong: 0,
            email,
            source: self.told.last().map_or(0, |place| place + 1),
            voided: false,
            made_as: self.made,
        });
        Ok(())
    }

    pub fn resend(&mut self, place: usize, at: Time) -> Said {
        let invite = &self.invites[place];
        if !invite.is_open(at) {
            return Err("invite_not_pending");
        }
        if invite.locked {
            return Err("invite_locked");
        }
        self.may_invite()?;
        let invite = &mut self.invites[place];
        invite.issue += 1;
        invite.expires = at + invite.runs;
        invite.made = at;
        if !invite.email {
            invite.oldest = invite.issue;
        }
        Ok(())
    }

    pub fn extend(&mut self, place: usize, days: u16, at: Time) -> Said {
        let invite = &mut self.invites[place];
        let expires = invite.expires + TimeDelta::days(days.into());
        match invite.is_open(at) {
            false => Err("invite_not_pending"),
            true if expires > invite.made + TimeDelta::days(90) => Err("expiry_too_far"),
            true => {
                invite.expires = expires;
                Ok(())
            }
        }
    }

    pub fn unlock(&mut self, place: usize, at: Time) -> Said {
        let invite = &mut self.invites[place];
        if !invite.is_open(at) {
            return Err("invite_not_pending");
        }
        if invite.locked {
            (invite.locked, invite.wrong) = (false, 0);
        }
        Ok(())
    }

    pub fn revoke(&mut self, place: usize, at: Time) -> Said {
        let invite = &mut self.invites[place];
        match invite.state {
            State::Revoked => Ok(()),
            State::Pending if invite.is_open(at) => {
                invite.state = State::Revoked;
                Ok(())
            }
            _ => Err("invite_not_pending"),
        }
    }

    pub fn queued(&mut self, place: usize) {
        let invite = &mut self.invites[place];
        invite.oldest = invite.oldest.max(invite.issue);
    }

    pub fn open(&self, place: usize, link: Link, at: Time) -> Said {
        let invite = &self.invites[place];
        let live = self.known().is_some_and(|k| matches!(k.standing, Standing::Pending | Standing::Active));
        let usable = invite.is_open(at) && invite.takes(invite.number(link)) && !invite.locked && live;
        if usable { Ok(()) } else { Err("not_accepted") }
    }

    pub fn prove(&mut self, place: usize, link: Link, fact: Fact, at: Time) -> Said {
        let known = self.known().map_or(Standing::Erased, |known| known.standing);
        let invite = &mut self.invites[place];
        if !invite.takes(invite.number(link)) || invite.locked || known == Standing::Erased {
            return Err("not_accepted");
        }
        if fact == Fact::Wrong {
            invite.wrong += 1;
            invite.locked = invite.wrong == 5;
            return Err("not_accepted");
        }
        match invite.state {
            State::Accepted => Err("already_accepted"),
            State::Revoked => Err("invite_revoked"),
            State::Expired => Err("invite_expired"),
            State::Pending if invite.expires <= at => Err("invite_expired"),
            State::Pending if known == Standing::Inactive => Err("patient_inactive"),
            State::Pending => Ok(()),
        }
    }

    pub fn accept(&mut self, place: usize, link: Link, fact: Fact, at: Time) -> Said {
        self.prove(place, link, fact, at)?;
        self.invites[place].state = State::Accepted;
        self.accepted = true;
        self.sweep(at);
        self.invites.iter_mut().filter(|i| i.state == State::Pending).for_each(|i| i.state = State::Revoked);
        Ok(())
    }

    pub fn sweep(&mut self, at: Time) {
        let lapsed = self.invites.iter_mut().filter(|i| i.state == State::Pending && i.expires <= at);
        lapsed.for_each(|invite| invite.state = State::Expired);
    }
}

impl Invite {
    pub fn is_open(&self, at: Time) -> bool {
        self.state == State::Pending && at < self.expires
    }

    /// The number of a link; 0, which is none, where there was none before the newest.
    pub fn number(&self, link: Link) -> i32 {
        match link {
            Link::Newest => self.issue,
            Link::TheOneBefore => self.issue - 1,
        }
    }

    /// Whether a link is one that still counts.
    pub fn takes(&self, number: i32) -> bool {
        (self.oldest..=self.issue).contains(&number)
    }
}
