-- One key per person, wrapped. A database of its own: its backups live shorter than the log's, and
-- what was destroyed here is forgotten there.

create table data_keys (
    key_id {uuid} primary key,
    -- Null once the person was erased.
    wrapped {bytes},
    wrapping_key text not null,
    made_at {time} not null,
    erased_at {time}
);
