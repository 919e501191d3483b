-- Many patients invited at once, in the background.

-- What a filter may ask for. `import_id` is told by PatientCreated alone; what stands there is kept. A
-- patient heard of before this step has neither until heard of again.
alter table known_patients add column clinician_id text;
alter table known_patients add column import_id {uuid};
create index known_patients_by_clinic on known_patients (account_id, id);

create table bulk_invites (
    id {uuid} primary key,
    account_id text not null,
    -- gathering, running, done or cancelled.
    state text not null,
    -- Whether a worker has something to do: a cancelled job stays open until all who waited are marked.
    open {bool} not null,
    -- Jobs take turns: the lowest goes next, and each step gives its job the number after the highest.
    turn bigint not null,
    -- Whom to gather; null where they were named one by one.
    filter {json},
    -- Gathered so far: up to this patient.
    gathered_to {uuid} not null,
    provider_id text not null,
    send_email {bool} not null,
    expiry_days bigint,
    -- Staff's words to the patients, sealed; null once nobody is left to be told them.
    words {bytes},
    key_id {uuid},
    -- 1, and one more for each retry.
    tries bigint not null,
    total bigint not null,
    issued bigint not null,
    failed bigint not null,
    cancelled bigint not null,
    -- Who and what caused the invites.
    meta {json} not null,
    created_at {time} not null,
    finished_at {time}
);
create index bulk_invites_by_age on bulk_invites (account_id, created_at, id);
create index bulk_invites_open on bulk_invites (turn, id) where open;

-- The invite's id is derived from both ids.
create table bulk_invite_patients (
    bulk_id {uuid} not null,
    patient_id {uuid} not null,
    -- issued, failed or cancelled; null: none yet.
    outcome text,
    -- In which try of the job it came to this outcome; 0: in none. Who came to none or failed in an earlier
    -- try waits; in a cancelled job that is as good as cancelled. So neither a retry nor a cancellation
    -- touches the rows of a large job.
    tries bigint not null,
    -- Why it failed.
    code text,
    primary key (bulk_id, patient_id)
);
create index bulk_invite_patients_open on bulk_invite_patients (bulk_id, tries, patient_id)
    where outcome is null or outcome = 'failed';
