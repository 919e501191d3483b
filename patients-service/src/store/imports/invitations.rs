//! Invitations that imports asked for, and what invites-service answered.

use chrono::{DateTime, Utc};
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_by_ids};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// Notes that patients are to be invited. `false` where one of them was noted by another at the same
/// moment: decide again.
pub async fn request(tx: &mut Tx, import: Uuid, patients: &[Uuid]) -> sqlx::Result<bool> {
    let rows = Rows::of("import_invitations").from(patients, "import_id", |_| import).from(
        patients,
        "patient_id",
        |patient| *patient,
    );
    Ok(tx.insert(rows, "on conflict do nothing").await? == patients.len() as u64)
}

/// Those of the patients that the import has asked for already.
pub async fn requested(conn: Conn<'_>, import: Uuid, patients: &[Uuid]) -> sqlx::Result<HashSet<Uuid>> {
    let rows = fetch_by_ids!(
        conn,
        (Uuid,),
        patients,
        "select patient_id from import_invitations where patient_id",
        "and import_id = $2",
        import
    )?;
    Ok(rows.into_iter().map(|(patient,)| patient).collect())
}

/// Those of the patients that anybody ever invited, as far as is known here; asked for counts, unless it was in a
/// dry run or was refused.
pub async fn ever_invited(conn: Conn<'_>, patients: &[Uuid]) -> sqlx::Result<HashSet<Uuid>> {
    let rows = fetch_by_ids!(
        conn,
        (Uuid,),
        patients,
        "select patient_id from (select patient_id from patient_invite union all
                                 select a.patient_id from import_invitations a join imports j on j.id = a.import_id
                                  where not j.dry_run and (a.answer is null or a.answer = 'issued')) as i
          where patient_id",
        ""
    )?;
    Ok(rows.into_iter().map(|(patient,)| patient).collect())
}

/// Those of the patients that have an open invite.
pub async fn with_open_invite(
    conn: Conn<'_>,
    patients: &[Uuid],
    now: DateTime<Utc>,
) -> sqlx::Result<HashSet<Uuid>> {
    let rows = fetch_by_ids!(
        conn,
        (Uuid,),
        patients,
        "select patient_id from patient_invite where patient_id",
        "and pending and expires_at > $2",
        now
    )?;
    Ok(rows.into_iter().map(|(patient,)| patient).collect())
}

/// An answer of invites-service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The import that asked.
    pub import: Uuid,
    /// Whose invite.
    pub patient: Uuid,
    /// Why there is none; none where there is one.
    pub refused: Option<String>,
}

/// Notes answers, each once however often it is heard, and ends imports whose last answer is there.
pub async fn answered(tx: &mut Tx, answers: &[Answer]) -> sqlx::Result<()> {
    // In one order for all, so that no two wait for each other.
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    sorted.sort_by_key(|answer| (answer.import, answer.patient));
    let mut counted: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
    for answer in sorted {
        let noted = execute!(
            tx.conn(),
            "update import_invitations set answer = $3 where import_id = $1 and patient_id = $2 and answer is null",
            answer.import,
            answer.patient,
            answer.refused.as_deref().unwrap_or("issued")
        )?;
        let counts = counted.entry(answer.import).or_default();
        match (noted, &answer.refused) {
            (0, _) => {}
            (_, None) => counts.0 += 1,
            (_, Some(_)) => counts.1 += 1,
        }
    }
    for (import, (issued, refused)) in counted {
        execute!(
            tx.conn(),
            "update imports set invites_issued = invites_issued + $2, invites_refused = invites_refused + $3,
                    state = case when state = 'inviting' and invites_issued + invites_refused + $2 + $3 >= invites_requested
                                 then 'done' else state end
              where id = $1",
            import,
            issued,
            refused
        )?;
    }
    Ok(())
}
