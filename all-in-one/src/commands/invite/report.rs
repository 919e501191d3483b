//! What a person is told of invites.

use super::job::{Job, Patients, Reasons};
use crate::commands::words::{counts, grouped, plain};
use crate::server::Server;
use anyhow::Result;

/// Failures beyond these are not read one by one only to be counted.
const COUNTED: u64 = 20_000;

/// Why patients of these jobs could not be invited.
pub async fn reasons(server: &Server, jobs: &[Job]) -> Result<Reasons> {
    let mut reasons = Reasons::default();
    for job in jobs.iter().filter(|job| job.failed > 0) {
        if job.failures.len() as u64 >= job.failed {
            job.failures.iter().cloned().for_each(|failure| reasons.add(failure));
            continue;
        }
        let path = format!("/api/invites/bulk/{}/patients?outcome=failed&limit=200", job.id);
        let mut next = Some(path.clone());
        while let Some(page) = next.take().filter(|_| reasons.counted() < COUNTED) {
            let page: Patients = server.get(&page).await?;
            page.items.into_iter().for_each(|failure| reasons.add(failure));
            next = page.next_cursor.map(|cursor| format!("{path}&cursor={cursor}"));
        }
    }
    Ok(reasons)
}

/// The counts, and why some patients could not be invited.
pub fn report(jobs: &[Job], reasons: &Reasons) -> String {
    let all = Job::together(jobs);
    let lines = [
        (all.total, "patients"),
        (all.issued, "invites issued"),
        (all.failed, "could not be invited"),
        (all.cancelled, "cancelled"),
        (all.waiting, "wait for their turn"),
    ];
    let shown = |(place, (count, _)): &(usize, (u64, &str))| *place < 3 || *count > 0;
    let lines: Vec<(u64, &str)> = lines.into_iter().enumerate().filter(shown).map(|(_, line)| line).collect();
    let mut said = counts(&lines);
    if reasons.counted() == 0 {
        return said;
    }
    said += "\n  why not\n";
    for reason in reasons.sorted() {
        said +=
            &format!("    {}  {}: {}\n", grouped(reason.count), plain(&reason.code), plain(&reason.message));
        let more = reason.count - reason.first.len() as u64;
        let more = if more == 0 { String::new() } else { format!(" and {} more", grouped(more)) };
        said += &format!("      patients {}{more}\n", plain(&reason.first.join(", ")));
    }
    if reasons.counted() < all.failed {
        said += &format!("    of {} only the first {} were looked at\n", all.failed, reasons.counted());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::invite::job::Failure;

    #[test]
    fn reasons_are_counted_and_their_first_patients_named() {
        let mut reasons = Reasons::default();
        for place in 0..7 {
            let code = if place == 3 { "patient_archived" } else { "already_invited" };
            let message = "has an open invite".to_owned();
            reasons.add(Failure { patient_id: format!("p{place}"), code: code.to_owned(), message });
        }
        let job = Job { total: 1234, issued: 1227, failed: 7, ..Job::default() };
        let said = report(&[job], &reasons);
        assert!(said.contains("1,234  patients\n") && !said.contains("cancelled"), "{said}");
        let (most, other) = (said.find("6  already_invited"), said.find("1  patient_archived"));
        assert!(most.is_some() && most < other, "the most frequent first: {said}");
        assert!(said.contains("patients p0, p1, p2, p4, p5 and 1 more"), "{said}");
    }
}
