-- chat: rows of the log whose content cannot be shown; readers get an empty body in its place.
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
