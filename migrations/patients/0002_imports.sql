-- Imports as whole jobs: the upload in chunks, a rehearsal's own register, invitations and their answers,
-- undoing. What the first version kept of imports was for a while only, and goes.

drop table import_rows;
drop table imports;

create table imports (
    id {uuid} primary key,
    account_id text not null,
    actor text not null,
    -- receiving, running, inviting, done, undoing, undone, failed
    state text not null,
    dry_run {bool} not null,
    options {json} not null,
    -- The key that seals the upload, and staff's words to those who are invited.
    key_id {uuid} not null,
    words {bytes},
    -- What was found in the file, and which column is which. Null while it is being received.
    file {json},
    columns {json},
    rows_read bigint not null,
    created bigint not null,
    updated bigint not null,
    unchanged bigint not null,
    skipped bigint not null,
    failed bigint not null,
    invites_requested bigint not null,
    invites_issued bigint not null,
    invites_refused bigint not null,
    undo_archived bigint not null,
    undo_kept bigint not null,
    undo_actor text,
    -- The last patient that undoing looked at.
    undo_after {uuid},
    -- The first hundred rows of each kind that a person looks at.
    shown {json} not null,
    failure text,
    -- Whether rows and result are gone by their age.
    forgotten {bool} not null,
    created_at {time} not null,
    -- When it was last advanced: the job that waited longest is next.
    touched_at {time} not null,
    finished_at {time}
);
create index imports_by_age on imports (account_id, created_at, id);
create index imports_at_work on imports (touched_at, id) where state in ('receiving', 'running', 'undoing');

-- Some hundred rows of an upload. `sealed` is a row of blocks, one for each row of the file, so that one
-- person's can be taken out; once carried out only failed rows keep theirs.
create table import_chunks (
    import_id {uuid} not null,
    chunk_no bigint not null,
    first_row bigint not null,
    rows bigint not null,
    sealed {bytes} not null,
    -- What became of each row; null before.
    outcomes {json},
    failed bigint not null,
    open {bool} not null,
    primary key (import_id, chunk_no)
);
create index import_chunks_open on import_chunks (import_id, chunk_no) where open;

-- A dry run's register: patients it would have made or changed, over those on record.
create table rehearsed_patients (
    import_id {uuid} not null,
    patient_id {uuid} not null,
    row_no bigint not null,
    sealed {bytes} not null,
    primary key (import_id, patient_id)
);
create table rehearsed_claims (
    import_id {uuid} not null,
    -- A hash of what is claimed.
    claim {bytes} not null,
    patient_id {uuid} not null,
    primary key (import_id, claim, patient_id)
);

-- Invitations that an import asked for, and what was answered.
create table import_invitations (
    import_id {uuid} not null,
    patient_id {uuid} not null,
    -- Null: not answered yet; else `issued` or the code of the refusal.
    answer text,
    primary key (import_id, patient_id)
);
create index import_invitations_by_patient on import_invitations (patient_id);

-- Patients an import had made and undoing it left alone.
create table import_left (
    import_id {uuid} not null,
    patient_id {uuid} not null,
    reason text not null,
    primary key (import_id, patient_id)
);

-- How a clinic's headers are to be read.
create table import_mappings (
    account_id text primary key,
    mapping {json} not null,
    updated_at {time} not null
);

create index patients_by_import on patients (import_id, id) where import_id is not null;
