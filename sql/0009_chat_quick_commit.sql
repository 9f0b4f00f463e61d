-- chat: what every commit pays for and nothing needs. Half a millisecond of a small commit is the same for one message as for
-- ten; docs/performance.md has what each of these was worth.

-- Its names are all qualified, operators are found in pg_catalog first, and it runs with its caller's rights: setting the search
-- path at every call kept nobody out.
alter function chat.fence(bigint[], bigint[], bigint[], bigint[]) reset search_path;

-- Postgres reads the text of each check again for each statement. Seqs and offsets are counted up from 1 by the one owner of a
-- partition, and their unique indexes stay.
alter table chat.event drop constraint event_seq_check, drop constraint event_feed_offset_check;
alter table chat.partition drop constraint partition_partition_check;
