"""The failpoints of chaos builds (shared/base/failpoint.h): the daemon that kills itself there, and at what moment."""

FAILPOINTS = {
    "after_begin": ("chat", "Postgres has begun on a batch and was not told that it is whole"),
    "during_commit": ("chat", "the whole batch is on its way to Postgres"),
    "committed_not_answered": ("chat", "the commit is known, nobody has been told"),
    "answered_not_published": ("chat", "the senders have their ok, nothing was published"),
    "event_in_hand": ("delivery", "an event is about to be fanned out"),
    "published_not_parked": ("delivery", "an event is about to be put into the inbox of one who is away"),
    "parked_cursor_not_advanced": ("delivery", "everything is parked, the cursor in Postgres does not say so yet"),
    "frame_half_written": ("delivery", "half of what a socket is to get has been written"),
    "ack_received_not_trimmed": ("delivery", "a device has acknowledged what its inbox still holds"),
    "trimmed_watermark_not_written": ("delivery", "the inbox is trimmed, the delivered watermark is not written"),
    "membership_committed_not_in_log": ("metadata", "a change is in metadata's tables, the log has not been asked"),
    "in_log_rest_not_answered": ("metadata", "the change is in the log, nobody has been told"),
    "lock_taken_head_not_read": ("chat", "the partitions are taken, their heads are not known"),
}
# Passed at a start only: the daemon must be made to start.
AT_START = {"lock_taken_head_not_read"}
