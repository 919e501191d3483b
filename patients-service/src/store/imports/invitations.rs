//! Invitations that imports asked for, and what invites-service answered.

use chrono::{DateTime, Utc};
use shared_runtime::db::{Conn, Rows, Tx};
use shared_runtime::{execute, fetch_by_ids};
use std::collections::{BTreeMap, BTreeSet, HashSet};
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
    /// The clinic.
    pub account: String,
    /// The import that asked.
    pub import: Uuid,
    /// Whose invite.
    pub patient: Uuid,
    /// Why there is none; none where there is one.
    pub refused: Option<String>,
}

/// Notes answers, each once however often it is heard, and ends imports whose last answer is there. One statement for all
/// patients of an import who were answered alike.
pub async fn answered(tx: &mut Tx, answers: &[Answer]) -> sqlx::Result<()> {
    // In one order for all, so that no two wait for each other.
    let mut alike: BTreeMap<(Uuid, &str, &str), BTreeSet<Uuid>> = BTreeMap::new();
    for answer in answers {
        let said = answer.refused.as_deref().unwrap_or("issued");
        alike.entry((answer.import, &answer.account, said)).or_default().insert(answer.patient);
    }
    for ((import, account, said), patients) in alike {
        let patients: Vec<Uuid> = patients.into_iter().collect();
        let noted = fetch_by_ids!(
            tx.conn(),
            (Uuid,),
            &patients,
            "update import_invitations set answer = $2
              where import_id = (select id from imports where id = $3 and account_id = $4)
                and answer is null and patient_id",
            "returning patient_id",
            said,
            import,
            account
        )?;
        let noted = i64::try_from(noted.len()).unwrap_or(i64::MAX);
        let (issued, refused) = if said == "issued" { (noted, 0) } else { (0, noted) };
        execute!(
            tx.conn(),
            "update imports set invites_issued = invites_issued + $2, invites_refused = invites_refused + $3,
                    state = case when state = 'inviting' and invites_issued + invites_refused + $2 + $3 >= invites_requested
                                 then 'done' else state end
              where id = $1 and account_id = $4",
            import,
            issued,
            refused,
            account
        )?;
    }
    Ok(())
}
