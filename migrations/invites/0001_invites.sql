-- What invites-service remembers beside its log. Accounts are its own truth; invites can be made again
-- from the log, the copies of patients and clinics from the bus.

create table clinics (
    account_id text primary key,
    version bigint not null,
    settings {json} not null
);

-- A copy of each patient, fed by the bus alone. Its row is locked before anything about the patient's
-- invites is decided.
create table known_patients (
    id {uuid} primary key,
    account_id text not null,
    -- Of the patient's stream; above every version once erased.
    version bigint not null,
    status text not null,
    email text,
    first_name text,
    last_name text,
    date_of_birth {date},
    preferred_language text,
    void_before bigint not null,
    -- This service's own key for what it says about the patient.
    key_id {uuid} not null,
    -- The login that accepted one of the patient's invites: known here before the patient's own stream
    -- says `active`, and not fed by the bus.
    user_id {uuid}
);

create table invites (
    id {uuid} primary key,
    account_id text not null,
    patient_id {uuid} not null,
    version bigint not null,
    status text not null,
    reason text,
    provider_id text not null,
    channel text not null,
    issue_no bigint not null,
    -- Links with a smaller issue number died without mail; see invite_links for the rest.
    live_from bigint not null,
    token_key_id text not null,
    source_patient_version bigint not null,
    failed_attempts bigint not null,
    import_id {uuid},
    user_id {uuid},
    locked_at {time},
    issued_at {time} not null,
    expires_at {time} not null,
    created_at {time} not null,
    updated_at {time} not null
);
create index invites_by_patient on invites (patient_id, created_at);
create index invites_by_age on invites (account_id, created_at, id);
create index invites_open_by_expiry on invites (expires_at, id) where status = 'pending';
create index invites_open_by_patient on invites (patient_id) where status = 'pending';

-- Up to which issue number a mail was queued: older links are dead. A register of its own, since it is
-- told by the mailer and may come before or after anything else.
create table invite_links (
    invite_id {uuid} primary key,
    mailed_issue bigint not null
);

-- Persons' logins. Not made from the log: password hashes stand nowhere else. `slot` is all zeros for
-- the one login of an address.
create table accounts (
    user_id {uuid} primary key,
    email text not null,
    email_norm text not null,
    slot {uuid} not null,
    password_hash text,
    verified {bool} not null,
    failed_sign_ins bigint not null,
    version bigint not null,
    created_at {time} not null,
    unique (email_norm, slot)
);

create table account_patients (
    user_id {uuid} not null,
    patient_id {uuid} not null,
    primary key (user_id, patient_id)
);
create index account_patients_by_patient on account_patients (patient_id);
