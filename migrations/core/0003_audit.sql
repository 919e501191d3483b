-- Who read or changed what. Nothing personal: identities of things alone. Rows are only ever added; a background step
-- then gives each its place in a chain of hashes, which is the one change a row ever sees.

create table audit (
    id {identity},
    at {time} not null,
    account_id text not null,
    -- `staff:ID` or `patient`.
    actor text not null,
    -- The role the caller had; null for who has none.
    role text,
    -- `<thing>.<verb>`.
    action text not null,
    -- What it was about: a list of ids.
    ids {json} not null,
    -- The name of the request, as in its answer and in the log lines.
    request_id text not null,
    -- Null: committed, not yet chained.
    place bigint unique,
    hash {bytes},
    check ((place is null) = (hash is null))
);
create index audit_of_clinic on audit (account_id, id);
create index audit_unchained on audit (id) where place is null;

-- The end of the chain: its last place and hash. A copy of it elsewhere shows what was done to all of it.
create table audit_head (
    one {bool} primary key check (one),
    place bigint not null,
    hash {bytes} not null
);

-- only postgres
create index audit_of_thing on audit using gin (ids jsonb_path_ops);

insert into audit_head values (true, 0, decode(repeat('00', 32), 'hex'));

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is append-only';
end $$;

create trigger audit_keeps_its_content
    before update of id, at, account_id, actor, role, action, ids, request_id
    on audit for each row execute function audit_is_append_only();

create trigger audit_keeps_its_chain
    before update of place, hash on audit for each row
    when (old.place is not null) execute function audit_is_append_only();

create trigger audit_stays
    before delete on audit for each row execute function audit_is_append_only();

create trigger audit_stays_whole
    before truncate on audit for each statement execute function audit_is_append_only();
-- end
-- only sqlite
insert into audit_head values (true, 0, zeroblob(32));

create trigger audit_keeps_its_content
    before update of id, at, account_id, actor, role, action, ids, request_id on audit
begin
    select raise(abort, 'the audit is append-only');
end;

create trigger audit_keeps_its_chain
    before update of place, hash on audit when old.place is not null
begin
    select raise(abort, 'the audit is append-only');
end;

create trigger audit_stays before delete on audit
begin
    select raise(abort, 'the audit is append-only');
end;
-- end
