"""The planted bugs of chaos builds (shared/base/planted_bug.h): the daemon, the invariants of which the judge must call
one invalid, and the faults that bring the bug to light (none: the load alone does)."""

BUGS = {
    "answer_before_commit": ("chat", ["I1"], ["postgres:commit_cut_off"]),
    "publish_before_commit": ("chat", ["I2", "I3"], ["postgres:commit_cut_off"]),
    "no_dedupe": ("chat", ["I7"], []),
    "drop_batch": ("delivery", ["I4"], []),
    "trim_by_count": ("delivery", ["I4", "I14"], []),
    "stale_membership": ("delivery", ["I11"], []),
    "cursor_ahead": ("delivery", ["I16"], []),
    "seq_not_rolled_back": ("chat", ["I2"], []),
    "revocation_ignored": ("delivery", ["I13"], []),
    "receipts_go_back": ("chat", ["I18"], []),
    "removed_may_write": ("chat", ["I11"], []),
    "stale_history": ("chat", ["I10"], []),
    "deleted_body_kept": ("chat", ["I19"], []),
}
