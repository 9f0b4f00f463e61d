#!/usr/bin/python3
"""The judge: reads a history and says of each invariant of the delivery contract whether it held.

    check.py FOLDER [--json FILE] [--quiet]

valid: held on as many events as `checked` says. invalid: the first violations are shown, with where to find them. unknown:
checked on nothing, or something that the judgement needs is missing. waived: `meta.json` says why it was not to be checked.

meta.json: "seed", "variant", "waived" {"I19": "reason"}, "limits" {"max_pushed_members"}, "deadline_us" (I20), "revoke_slack_us"
and "excuses_revocation" (I13: patterns of names of faults).

Exit status: 0 valid or waived throughout, 1 something is invalid, 2 something is unknown or the history cannot be read."""

import argparse
import bisect
import collections
import json
import sys

import history
import judge_course
import judge_devices
import judge_log
import judge_people
from judge_model import FOREVER, Model
from judge_verdict import Verdict

INVARIANTS = [
    ("I1", "answered ok, in the log", judge_log.durable),
    ("I2", "seqs and offsets without holes", judge_log.gapless),
    ("I3", "nothing that is not in the log", judge_log.only_the_log),
    ("I4", "every device gets everything", judge_devices.delivered),
    ("I5", "handed over once", judge_devices.handed_over_once),
    ("I6", "in order on a connection", judge_devices.in_order),
    ("I7", "sent again, the same seq", judge_log.once),
    ("I8", "pipelined sends in order", judge_log.pipelined),
    ("I9", "in the order of real time", judge_log.real_time),
    ("I10", "history reads what was answered", judge_people.read_back),
    ("I11", "nothing after a removal", judge_people.removed),
    ("I12", "nothing before an addition", judge_people.added),
    ("I13", "nothing after a revocation", judge_people.revoked),
    ("I14", "only acknowledged events go", judge_devices.kept),
    ("I15", "Redis is disposable", judge_course.redis_is_disposable),
    ("I16", "the cursor is behind", judge_devices.cursor_is_behind),
    ("I17", "one owner of a partition", judge_log.one_owner),
    ("I18", "watermarks rise below the head", judge_people.watermarks),
    ("I19", "deleted bodies are gone", judge_log.erased),
    ("I20", "every request ends", judge_course.no_silence),
    ("I21", "clocks mean nothing", judge_course.clocks_mean_nothing),
    ("I22", "the others are not hurt", judge_course.others_are_not_hurt),
]
FROM_OTHERS = (judge_course.redis_is_disposable, judge_course.clocks_mean_nothing)


class Judgement:
    def __init__(self, read):
        self.cut = read.cut
        self.model = Model(read)
        self.verdicts = {name: Verdict(name, title) for name, title, _ in INVARIANTS}
        for name, _, judge in INVARIANTS:
            self.verdicts[name].waiver = read.meta.get("waived", {}).get(name)
            arguments = (self.model, self.verdicts[name])
            judge(*arguments, self.verdicts) if judge in FROM_OTHERS else judge(*arguments)

    def named(self, word):
        """The invariants with this verdict."""
        return {name for name, verdict in self.verdicts.items() if verdict.word == word}

    @property
    def word(self):
        return next((word for word in ("invalid", "unknown") if self.named(word)), "valid")

    @property
    def status(self):
        return {"valid": 0, "invalid": 1, "unknown": 2}[self.word]


def judge(folder):
    """The judgement of the history in a folder. HistoryError when it is not of the form."""
    return Judgement(history.read(folder))


# --- metrics ---


def seconds(us):
    return "-" if us is None else f"{us / 1e6:.3f} s"


def longest_wait_us(model):
    ends = ((min(request.ended, model.last_time) - request.begun) for request in judge_course.requests(model))
    return max(ends, default=0)


def metrics(judgement):
    model = judgement.model
    events = model.kinds["event"]
    different = len({(row.actor, row.event.chat, row.event.seq) for row in events})
    return {
        "events on the wire": len(events),
        "repeats on the wire": len(events) - different,
        "repeats per delivered": round((len(events) - different) / different, 4) if different else 0,
        "devices": len(model.devices),
        "devices not drained": sum(device.drained is None for device in model.devices.values()),
        "resyncs": sum(len(device.resyncs) for device in model.devices.values()),
        "connects by state": dict(collections.Counter(row.state for row in model.kinds["ready"])),
        "sends by outcome": dict(collections.Counter(send.outcome or "none" for send in model.sends.values())),
        "longest unanswered request": seconds(longest_wait_us(model)),
        "lines cut off": judgement.cut,
    }


def faults(model):
    """Per fault: how often, how often it failed, the longest time from its end to the recovery, and what became of the
    messages that were sent between its beginning and the recovery."""
    table = {}
    sends = sorted(model.sends.values(), key=lambda send: send.begun)
    times = [send.begun for send in sends]
    for (name, _), fault in sorted(model.faults.items()):
        row = table.setdefault(name, {"shots": 0, "proven": 0, "failed": 0, "longest recovery": None, "sends": 0,
                                      "unavailable": 0, "lost": 0})
        within = sends[bisect.bisect(times, fault.begin):bisect.bisect(times, fault.until("recovered", "failed"))]
        row["sends"] += len(within)
        row["unavailable"] += sum(send.outcome == "unknown" and send.answer.why == "unavailable" for send in within)
        row["lost"] += sum(send.outcome == "unknown" and send.answer.why != "unavailable" for send in within)
        row["shots"] += 1
        row["proven"] += "proven" in fault.phases
        row["failed"] += "failed" in fault.phases
        recovery_us = fault.until("recovered") - fault.until("over")
        if 0 <= recovery_us < FOREVER:
            row["longest recovery"] = max(row["longest recovery"] or 0, recovery_us)
    return table


# --- telling ---


def told(value):
    return ", ".join(f"{key} {count}" for key, count in sorted(value.items())) if isinstance(value, dict) else value


def print_verdicts(judgement):
    print(f"{'':4} {'invariant':32} {'checked':>9}  verdict")
    for verdict in judgement.verdicts.values():
        print(f"{verdict.name:4} {verdict.title:32} {verdict.checked:>9}  {verdict.word}{why(verdict)}")
        for violation in verdict.first:
            print(f"     {violation['what']}: " + " ".join(f"{k}={v}" for k, v in violation.items() if k != "what"))


def why(verdict):
    if verdict.word == "invalid":
        return f": {verdict.violations} violations"
    if verdict.word == "waived":
        return f": {verdict.waiver}"
    if verdict.word == "unknown":
        return f": {verdict.missing[0]}" if verdict.missing else ": checked on nothing"
    return ""


def print_rest(judgement):
    print("\nmetrics")
    for name, value in metrics(judgement).items():
        print(f"  {name:28} {told(value)}")
    table = faults(judgement.model)
    if table:
        print(f"\n{'faults':38} {'shots':>5} {'proven':>6} {'failed':>6} {'longest recovery':>16} "
              f"{'sends':>6} {'unavailable':>11} {'lost':>6}")
    for name, row in table.items():
        print(f"  {name:36} {row['shots']:>5} {row['proven']:>6} {row['failed']:>6} {seconds(row['longest recovery']):>16} "
              f"{row['sends']:>6} {row['unavailable']:>11} {row['lost']:>6}")


def as_json(judgement):
    return {
        "verdict": judgement.word,
        "seed": judgement.model.meta.get("seed"),
        "variant": judgement.model.meta.get("variant"),
        "invariants": [verdict.as_json() for verdict in judgement.verdicts.values()],
        "metrics": metrics(judgement),
        "faults": faults(judgement.model),
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--json", metavar="FILE", help="the judgement as JSON too")
    parser.add_argument("--quiet", action="store_true", help="only the last line")
    return parser.parse_args()


def main():
    asked = arguments()
    try:
        judgement = judge(asked.folder)
    except history.HistoryError as error:
        print(f"unknown: {error}", file=sys.stderr)
        return 2
    if asked.json:
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump(as_json(judgement), file, indent=1, default=str)
    if not asked.quiet:
        print_verdicts(judgement)
        print_rest(judgement)
        print()
    print(f"history {judgement.word}")
    return judgement.status


if __name__ == "__main__":
    sys.exit(main())
