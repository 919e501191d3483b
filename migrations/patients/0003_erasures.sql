-- Erasures: asked for once for each patient, done when every service that kept a copy has said so.

create table erasures (
    -- Derived from the patient's id: whoever asks twice meets the same one.
    id {uuid} primary key,
    account_id text not null,
    patient_id {uuid} not null,
    -- By what the person is recognised in rows of imports, sealed; null once these were gone through.
    traces {bytes},
    traces_key {uuid},
    -- Whether this service still has something to do.
    open {bool} not null,
    requested_at {time} not null
);
create index erasures_open on erasures (requested_at, id) where open;

create table erasure_reports (
    erasure_id {uuid} not null,
    service text not null,
    completed_at {time} not null,
    primary key (erasure_id, service)
);

-- Whose key a tombstone names, when a restored database is gone through.
create index patients_by_key on patients (key_id);
