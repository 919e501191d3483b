-- How often something may be done: one row per limit and subject, named by a keyed hash, so that no address
-- and no client stands here. `until` is when the bucket will be empty again, in microseconds since 1970: a
-- number, because both databases can add to it in one statement. A row whose time has passed says nothing.
create table limits (
    key {uuid} primary key,
    until bigint not null
);
