-- The event log, which is also the outbox, and the relay's place in it. Every service has these tables.

create table events (
    id {identity},
    event_id {uuid} not null unique,
    stream_id {uuid} not null,
    stream_type text not null,
    version bigint not null,
    type text not null,
    schema_ver bigint not null,
    account_id text not null,
    data {json} not null,
    -- The personal fields, sealed with the person's key; both null where an event has none.
    sealed {bytes},
    key_id {uuid},
    meta {json} not null,
    occurred_at {time} not null,
    recorded_at {time} not null,
    -- Place in the service's global order. Null: committed, not yet numbered, so not yet relayed.
    global_seq bigint unique,
    unique (stream_id, version)
);

-- only postgres
create index events_unnumbered on events (id) where global_seq is null;

create function events_are_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'events are append-only';
end $$;

create trigger events_keep_their_content
    before update of id, event_id, stream_id, stream_type, version, type, schema_ver, account_id, data,
                     sealed, key_id, meta, occurred_at, recorded_at
    on events for each row execute function events_are_append_only();

create trigger events_keep_their_number
    before update of global_seq on events for each row
    when (old.global_seq is not null) execute function events_are_append_only();

create trigger events_stay
    before delete on events for each row execute function events_are_append_only();
-- end
-- only sqlite
create trigger events_keep_their_content before update on events
begin
    select raise(abort, 'events are append-only');
end;

create trigger events_stay before delete on events
begin
    select raise(abort, 'events are append-only');
end;
-- end

-- One row: whose turn it is to relay, and how far the relay came. `lease_until` is in milliseconds of
-- the database's own clock.
create table relay (
    one {bool} primary key check (one),
    log_id {uuid} not null,
    next_seq bigint not null,
    published bigint not null,
    epoch bigint not null,
    owner text not null,
    lease_until bigint not null
);

-- What a repeated command is answered: never the answer itself, which may hold personal data or a link.
create table idempotency (
    account_id text not null,
    principal text not null,
    key text not null,
    fingerprint {bytes} not null,
    status bigint not null,
    resource_id {uuid} not null,
    version bigint not null,
    answered_at {time} not null,
    primary key (account_id, principal, key)
);
create index idempotency_by_age on idempotency (answered_at);

-- Messages that a consumer could not handle, with the reason, until a person replays or drops them.
create table parked (
    id {identity},
    consumer text not null,
    event_id {uuid} not null,
    source text not null,
    stream_id {uuid} not null,
    stream_version bigint not null,
    type text not null,
    body {bytes} not null,
    reason text not null,
    parked_at {time} not null,
    unique (consumer, event_id)
);
