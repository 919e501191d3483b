-- Erasures that were heard of, and what this service has still to forget.

create table erasures (
    id {uuid} primary key,
    account_id text not null,
    patient_id {uuid} not null,
    -- The event that asked: one that asks anew, after a restore, is answered anew.
    cause {uuid} not null,
    open {bool} not null,
    heard_at {time} not null
);
create index erasures_open on erasures (heard_at, id) where open;

-- Whose key a tombstone names, when a restored database is gone through.
create index known_patients_by_key on known_patients (key_id);
