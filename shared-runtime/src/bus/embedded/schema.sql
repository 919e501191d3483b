-- The embedded bus. A message is kept once; what each queue still has to do with it is an entry.
-- Routed when published, as on a broker: a queue that is new hears what is said from now on.

create table if not exists queue (
    id integer primary key,
    name text not null unique,
    -- What may not change under a queue's messages; a change is a new name.
    arguments text not null
) strict;

create table if not exists message (
    pos integer primary key,
    id blob,
    routing_key text not null,
    body blob not null,
    -- For a dead letter, the queue it died in.
    died_in text,
    published_at integer not null
) strict;

-- Deliveries counts how often it was handed out. The row goes with the ack.
create table if not exists entry (
    queue integer not null,
    pos integer not null,
    deliveries integer not null default 0,
    primary key (queue, pos)
) strict, without rowid;
