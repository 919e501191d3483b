-- What became of each mail that brought something to a patient, and what is to be issued again after a change of address.

-- One row per mail, fed by the bus alone: a register by `version`, which is the delivery's own.
create table deliveries (
    id {uuid} primary key,
    account_id text not null,
    invite_id {uuid} not null,
    purpose text not null,
    issue_no bigint not null,
    state text not null,
    attempt bigint not null,
    code bigint,
    enhanced_status text,
    words text,
    next_attempt_at {time},
    version bigint not null,
    -- When it was accepted for sending, once that was heard.
    queued_at {time},
    updated_at {time} not null
);
create index deliveries_by_invite on deliveries (invite_id, issue_no);

-- Changes of address after which staff want a patient's invites issued again; in whatever order they are heard of. Those made
-- from a version from `since` up to, but not with, `version` were voided by it.
create table reissues (
    patient_id {uuid} not null,
    version bigint not null,
    since bigint not null,
    cause {uuid} not null,
    at {time} not null,
    primary key (patient_id, version)
);

alter table invites add column reissue_of {uuid};
create index invites_locked on invites (account_id, created_at, id) where status = 'pending' and locked_at is not null;
