-- Poison: items that a daemon cannot take, set aside so that what stands behind them goes on. deploy/parleyctl shows and
-- releases them.

-- Rows of the log whose content cannot be shown; readers get an empty body in its place.
create table chat.poison (
    partition   integer not null,
    chat_id     bigint not null,
    seq         bigint not null,
    reason      text not null,
    first_at    timestamptz not null default now(),
    last_at     timestamptz not null default now(),
    times       bigint not null default 1,
    primary key (partition, chat_id, seq)
);
grant select, insert, update on chat.poison to parley_chat;

-- A change that the log has refused for good is parked: not tried again until it is released. Later changes of that chat wait behind it.
alter table metadata.outbox
    add column parked_at timestamptz,
    add column parked_reason text,
    add column tries bigint not null default 0;
create index outbox_parked on metadata.outbox (chat_id, version) where parked_at is not null;
