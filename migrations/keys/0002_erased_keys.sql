-- Keys that were destroyed, in the order in which they were, each row chained to the one before. The file
-- of erasures outside every backup says the same: a database that was restored is behind it, and a file that
-- is behind this table was lost.

create table erased_keys (
    -- From 1, without gaps.
    place bigint primary key,
    key_id {uuid} not null unique,
    erasure_id {uuid} not null,
    erased_at {time} not null,
    -- SHA-256 over the chain before and the words of the line.
    chain {bytes} not null
);

-- Which keys are still wrapped under one that is to be retired.
create index data_keys_by_wrapping on data_keys (wrapping_key) where wrapped is not null;
