-- delivery: events that were passed over, because each try to fan them out ended the process. Released: the cause is mended;
-- the devices that the event was for are told to resync, and then the row goes.
create table delivery.poison (
    shard       integer not null,
    partition   integer not null,
    feed_offset bigint not null,
    chat_id     bigint not null,
    seq         bigint not null,
    reason      text not null,
    deaths      bigint not null,
    at          timestamptz not null default now(),
    released_at timestamptz,
    primary key (shard, partition, feed_offset)
);
grant select, insert, update, delete on delivery.poison to parley_delivery;
