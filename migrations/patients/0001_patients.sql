-- What patients-service remembers beside its log. All of it but claims can be made again from the log
-- and the bus; claims are what makes an address unique.

create table clinics (
    account_id text primary key,
    version bigint not null,
    settings {json} not null,
    updated_at {time} not null
);

create table patients (
    id {uuid} primary key,
    account_id text not null,
    version bigint not null,
    status text not null,
    email text not null,
    first_name text not null,
    last_name text not null,
    phone text,
    date_of_birth {date},
    notes text,
    external_id text,
    clinician_id text,
    clinician_name text,
    preferred_language text,
    incomplete {bool} not null,
    user_id {uuid},
    import_id {uuid},
    key_id {uuid} not null,
    -- Case-folded, to sort and search by.
    sort_name text not null,
    search text not null,
    created_at {time} not null,
    updated_at {time} not null
);
create index patients_by_name on patients (account_id, sort_name, id);
create index patients_by_age on patients (account_id, created_at, id);

-- Who holds an e-mail address or an external id in a clinic. `slot` is all zeros where one patient may
-- hold it, and the patient's own id where the clinic lets patients share an address.
create table claims (
    account_id text not null,
    kind text not null,
    value text not null,
    slot {uuid} not null,
    patient_id {uuid} not null,
    primary key (account_id, kind, value, slot)
);
create index claims_by_patient on claims (patient_id);

-- One row per invite, fed by the bus alone; it may arrive before its patient does, so no foreign key.
create table patient_invite (
    invite_id {uuid} primary key,
    patient_id {uuid} not null,
    account_id text not null,
    version bigint not null,
    pending {bool} not null,
    expires_at {time} not null
);
create index patient_invite_open on patient_invite (patient_id) where pending;

create table imports (
    id {uuid} primary key,
    account_id text not null,
    actor text not null,
    state text not null,
    -- SHA-256 of the upload.
    file_hash {bytes} not null,
    options {json} not null,
    columns {json} not null,
    rows_read bigint not null,
    failure text,
    created_at {time} not null,
    finished_at {time}
);

-- The upload, a row each, sealed under the import's key until it is done; then only outcomes remain.
create table import_rows (
    import_id {uuid} not null,
    row_no bigint not null,
    key_id {uuid} not null,
    sealed {bytes},
    outcome text,
    patient_id {uuid},
    reason text,
    primary key (import_id, row_no)
);
create index import_rows_open on import_rows (import_id, row_no) where outcome is null;
