"""What lies in Postgres and Redis, as lines of the history: the feed at the end, and snapshots of cursors and inboxes
while the run goes on."""

import threading

# One answer, so one moment: every record with its state, then what its list holds (16 bytes each: chat and seq).
INBOXES = """
local out, epoch = {}, redis.call('GET', 'p:epoch:0')
for _, key in ipairs(redis.call('KEYS', 'p:{*}:r')) do
  local device = string.match(key, '{(%d+)}')
  local record = redis.call('HMGET', key, 'e', 'x', 'u')
  local ours = record[1] == epoch and not record[2] and not record[3]
  out[#out + 1] = 'D ' .. device .. (ours and ' ok' or ' resync')
  for _, item in ipairs(redis.call('LRANGE', 'p:{' .. device .. '}:l', 0, -1)) do
    out[#out + 1] = (string.gsub(item, '.', function (c) return string.format('%02x', string.byte(c)) end))
  end
end
return out
"""


def write_feed(parley, writer):
    rows = parley.sql('select partition, feed_offset, chat_id, seq from chat.event order by 1, 2', seconds=120)
    for row in rows:
        writer.write("feed", *row)
    return len(rows)


def take_snapshot(parley, writer, number):
    """False when a store did not answer: half a snapshot is not judged."""
    try:
        cursors = parley.sql("select partition, feed_offset from delivery.cursor where shard = 0", seconds=5)
        lines = parley.redis_lines("EVAL", INBOXES, "0", seconds=5)
    except Exception:  # noqa: BLE001 whatever a store that is being hurt says, there is no snapshot
        return False
    for partition, offset in cursors:
        writer.write("cursor", number, partition, offset)
    device = None
    for line in lines:
        if line.startswith("D "):
            _, device, state = line.split()
            writer.write("inbox_device", number, device, state)
        elif len(line) == 32:
            writer.write("inbox", number, device, int(line[:16], 16), int(line[16:], 16))
    writer.write("snapshot_end", number)
    return True


class Snapshots(threading.Thread):
    """Takes one every few seconds until it is stopped."""

    def __init__(self, parley, writer, seconds):
        super().__init__(daemon=True)
        self.parley, self.writer, self.seconds = parley, writer, seconds
        self.ending, self.taken = threading.Event(), 0

    def run(self):
        while not self.ending.wait(self.seconds):
            self.taken += take_snapshot(self.parley, self.writer, self.taken + 1)

    def stop(self):
        self.ending.set()
        self.join(20)
