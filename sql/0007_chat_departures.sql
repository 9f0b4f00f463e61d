-- chat: the chats that somebody has left lately, for a sync that does not name them: a device that was away for the whole
-- of a membership cannot know of it. 3 is member_removed; no other event is in the index.
create index event_departure on chat.event (subject_id, at_ms) where type = 3;
