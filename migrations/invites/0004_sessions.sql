-- The patient's side: sessions of persons, and what finds a person by their address.

-- Sessions by the SHA-256 of their token, which stands nowhere.
create table account_sessions (
    token_hash {bytes} primary key,
    user_id {uuid} not null,
    created_at {time} not null,
    -- Ends at the earlier of the two: the first moves with use, the second never.
    idle_until {time} not null,
    ends_at {time} not null
);
create index account_sessions_by_user on account_sessions (user_id);
create index account_sessions_by_end on account_sessions (idle_until);

-- A patient's address as it is compared. Told by the bus from now on; what is known already is folded as far
-- as this database can, and wholly when the patient is next heard of.
alter table known_patients add column email_norm text;
update known_patients set email_norm = lower(trim(email)) where email is not null;
create index known_patients_by_email on known_patients (email_norm);

-- Since when a person waits for help with this invite: they asked for a link that could not be sent.
alter table invites add column help_requested_at {time};
