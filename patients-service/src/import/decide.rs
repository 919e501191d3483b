//! What becomes of a row: a new patient, one we have already, or a refusal. Pure.

use super::options::{Decision, OnMatch};
use super::row::Reason;
use crate::domain::fields::ClaimKind;
use crate::domain::patient::Known;
use crate::domain::{Draft, Patch};
use serde::{Deserialize, Serialize};
use shared_events::values::normalise;
use uuid::Uuid;

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A new patient.
    Create,
    /// This patient, who has exactly these fields.
    Unchanged(Match),
    /// This patient, whose record is changed.
    Update(Match, Box<Patch>),
    /// Left out: this patient, whose fields differ, or whoever the person decided to leave out.
    Skipped(Option<Match>),
    /// Nothing.
    Failed(Reason, Option<Match>),
}

/// The patient that a row means, and why we think so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Who.
    pub patient: Uuid,
    /// `external_id`, or `email` with `last_name` or `date_of_birth`.
    pub by: Vec<String>,
    /// Fields in which the row says something else than the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

/// A live patient that holds the row's external id or its address.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// What of the row it holds.
    pub kind: ClaimKind,
    /// Who.
    pub id: Uuid,
    /// The record.
    pub known: &'a Known,
}

/// By what rules rows are matched.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether patients of the clinic may share an address.
    pub sharing: bool,
    /// What becomes of a match that differs.
    pub on_match: OnMatch,
}

/// Whom a row means.
enum Meant<'a> {
    Nobody,
    One(&'a Holder<'a>, Vec<&'static str>),
    /// Somebody else holds the address.
    Taken(&'a Holder<'a>),
    /// One, who has another external id.
    OtherId(&'a Holder<'a>, Vec<&'static str>),
    /// More than one.
    Ambiguous,
}

/// Decides a row: the person's decision first, then the policy.
pub fn verdict(draft: &Draft, holders: &[Holder<'_>], rules: Rules, decision: Option<Decision>) -> Verdict {
    let meant = meant(draft, holders, rules.sharing);
    match decision {
        Some(Decision::Skip) => Verdict::Skipped(match meant {
            Meant::One(holder, by) | Meant::OtherId(holder, by) => Some(matched(draft, holder, &by)),
            _ => None,
        }),
        Some(Decision::Create) => create(holders, rules.sharing),
        Some(Decision::Update) => match meant {
            Meant::One(holder, by) | Meant::OtherId(holder, by) => update(draft, holder, &by),
            Meant::Taken(holder) => update(draft, holder, &["email"]),
            Meant::Ambiguous => ambiguous(),
            Meant::Nobody => failed("no_match", "is to update a patient, and none is on record for it", None),
        },
        None => undecided(draft, meant, rules.on_match),
    }
}

fn undecided(draft: &Draft, meant: Meant<'_>, on_match: OnMatch) -> Verdict {
    match meant {
        Meant::Nobody => Verdict::Create,
        Meant::Ambiguous | Meant::OtherId(..) => ambiguous(),
        Meant::Taken(holder) => {
            let words = "another patient has this e-mail address; neither last name nor date of birth is the same: \
                         correct the address, or decide for this row";
            failed("email_taken", words, Some(matched(draft, holder, &["email"])))
        }
        Meant::One(holder, by) => {
            let found = matched(draft, holder, &by);
            if found.differs.is_empty() {
                return Verdict::Unchanged(found);
            }
            match on_match {
                OnMatch::Skip => Verdict::Skipped(Some(found)),
                OnMatch::Update => update(draft, holder, &by),
                OnMatch::Fail => {
                    let words = format!("is on record with another {}", found.differs.join(", "));
                    failed("differs", words, Some(found))
                }
            }
        }
    }
}

/// A patient of their own, where nobody holds what only one may.
fn create(holders: &[Holder<'_>], sharing: bool) -> Verdict {
    let in_the_way = holders.iter().find(|holder| holder.kind == ClaimKind::ExternalId || !sharing);
    match in_the_way.map(|holder| holder.kind) {
        None => Verdict::Create,
        Some(ClaimKind::ExternalId) => {
            failed("external_id_taken", "another patient has this external id: give the row another", None)
        }
        Some(ClaimKind::Email) => failed(
            "email_taken",
            "another patient has this e-mail address, and the clinic does not share addresses: correct it",
            None,
        ),
    }
}

fn update(draft: &Draft, holder: &Holder<'_>, by: &[&str]) -> Verdict {
    let found = matched(draft, holder, by);
    if found.differs.is_empty() {
        Verdict::Unchanged(found)
    } else {
        Verdict::Update(found, Box::new(draft.clone().said()))
    }
}

fn matched(draft: &Draft, holder: &Holder<'_>, by: &[&str]) -> Match {
    let differs = holder.known.differing(&draft.clone().said());
    Match {
        patient: holder.id,
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        differs: differs.into_iter().map(str::to_owned).collect(),
    }
}

fn ambiguous() -> Verdict {
    let words = "could be one of several patients, or one with another external id: correct the row, or decide for it";
    failed("ambiguous", words, None)
}

fn failed(code: &'static str, words: impl Into<String>, found: Option<Match>) -> Verdict {
    Verdict::Failed(Reason::of_row(code, words), found)
}

/// Finds whom a row means: by external id; else by address together with the same last name or date of birth.
///
/// Where addresses are shared, a family has one address and mostly one name, and twins one date of
/// birth: there the first name must be the same, too.
fn meant<'a>(draft: &Draft, holders: &'a [Holder<'a>], sharing: bool) -> Meant<'a> {
    let of = |kind| holders.iter().filter(move |holder| holder.kind == kind);
    if let Some(holder) = of(ClaimKind::ExternalId).next() {
        let elsewhere = of(ClaimKind::Email).any(|other| other.id != holder.id);
        return if elsewhere && !sharing {
            Meant::Ambiguous
        } else {
            Meant::One(holder, vec!["external_id"])
        };
    }
    let same = |holder: &&Holder<'_>| {
        !same_person(draft, holder.known).is_empty() && (!sharing || same_first_name(draft, holder.known))
    };
    let mut people = of(ClaimKind::Email).filter(same);
    match (people.next(), people.next()) {
        (Some(_), Some(_)) => Meant::Ambiguous,
        (Some(holder), None) => {
            let other_id = holder.known.details.external_id.is_some() && draft.external_id.is_some();
            let by = [vec!["email"], same_person(draft, holder.known)].concat();
            if other_id { Meant::OtherId(holder, by) } else { Meant::One(holder, by) }
        }
        (None, _) if sharing => Meant::Nobody,
        (None, _) => of(ClaimKind::Email).next().map_or(Meant::Nobody, Meant::Taken),
    }
}

/// What shows that it is the same person, beside the address.
fn same_person(draft: &Draft, known: &Known) -> Vec<&'static str> {
    let mut same = Vec::new();
    if normalise(&draft.last_name) == normalise(&known.details.last_name) {
        same.push("last_name");
    }
    if draft.date_of_birth.is_some() && draft.date_of_birth == known.details.date_of_birth {
        same.push("date_of_birth");
    }
    same
}

fn same_first_name(draft: &Draft, known: &Known) -> bool {
    normalise(&draft.first_name) == normalise(&known.details.first_name)
}
