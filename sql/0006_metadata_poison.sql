-- metadata: a change that the log has refused for good is parked: not tried again until it is released. Later changes of that
-- chat wait behind it.
alter table metadata.outbox
    add column parked_at timestamptz,
    add column parked_reason text,
    add column tries bigint not null default 0;
create index outbox_parked on metadata.outbox (chat_id, version) where parked_at is not null;
