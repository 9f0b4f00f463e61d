-- delivery: how far each partition's feed has been taken over, and which state of Redis the inboxes belong to.
--
-- A shard is the share of the users that one delivery process serves. Its epoch counts the processes that took it over:
-- an older one is refused here and in Redis.

create schema delivery;
grant usage on schema delivery to parley_delivery;

create table delivery.shard (
    shard          integer primary key,
    epoch          bigint not null,           -- of the owner
    redis_epoch    bigint not null default 0, -- name of the Redis data set; 0: there was none yet
    started_change bigint not null default 0  -- devices added before this user change are older than that data set
);

-- Every event of a partition up to feed_offset has been acknowledged by, or parked for, every device of the shard.
create table delivery.cursor (
    shard       integer not null references delivery.shard,
    partition   integer not null check (partition between 0 and 1023),
    feed_offset bigint not null check (feed_offset >= 0),
    primary key (shard, partition)
) with (fillfactor = 20);

create function delivery.take_shard(p_shard bigint, out epoch bigint, out redis_epoch bigint, out started_change bigint)
language sql set search_path = pg_catalog, pg_temp as $$
    insert into delivery.shard as s (shard, epoch) values (p_shard::integer, 1)
    on conflict (shard) do update set epoch = s.epoch + 1
    returning s.epoch, s.redis_epoch, s.started_change
$$;

-- False: another process has taken the shard over.
create function delivery.save_redis_epoch(p_shard bigint, p_epoch bigint, p_redis_epoch bigint, p_started_change bigint)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update delivery.shard s set redis_epoch = p_redis_epoch, started_change = p_started_change
    where s.shard = p_shard and s.epoch = p_epoch;
    return found;
end $$;

-- Cursors never go back. False: another process has taken the shard over.
create function delivery.save_cursors(p_shard bigint, p_epoch bigint, p_partitions bigint[], p_offsets bigint[])
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from delivery.shard s where s.shard = p_shard and s.epoch = p_epoch for share;
    if not found then
        return false;
    end if;
    insert into delivery.cursor as c (shard, partition, feed_offset)
    select p_shard::integer, u.partition::integer, u.feed_offset
    from unnest(p_partitions, p_offsets) u (partition, feed_offset)
    on conflict (shard, partition) do update set feed_offset = greatest(c.feed_offset, excluded.feed_offset);
    return true;
end $$;

grant select, insert, update on all tables in schema delivery to parley_delivery;
revoke execute on all functions in schema delivery from public;
grant execute on all functions in schema delivery to parley_delivery;
