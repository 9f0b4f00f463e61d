/* KEYS: list, record (of device scripts), then epoch, owner and parked. ARGV: epoch, owner, then the script's own. */
#include "services/delivery/delivery_inbox_scripts.h"

/* clang-format off: Lua */

/* Epochs and owners are compared as strings and as numbers: an epoch has 63 bits, which Lua's numbers do not hold. */
#define CHECK_OWNER(owner_key)                         \
    "local owner = redis.call('GET', " owner_key ")\n" \
    "if owner and tonumber(owner) > tonumber(ARGV[2]) then return {3, 0} end\n"
#define CHECK_SHARD(epoch_key, owner_key) \
    "if redis.call('GET', " epoch_key ") ~= ARGV[1] then return {2, 0} end\n" CHECK_OWNER(owner_key)

#define DEVICE_HEAD                                                             \
    "local l, r = KEYS[1], KEYS[2]\n" CHECK_SHARD(                              \
        "KEYS[3]", "KEYS[4]") "local function write_record(x)\n"                \
                              "  redis.call('UNLINK', l, r)\n"                  \
                              "  redis.call('HSET', r, 'e', ARGV[1], 'n', 0)\n" \
                              "  if x then redis.call('HSET', r, 'x', 1) end\n" \
                              "end\n"

/* ARGV[3]: 1 when the device is young enough to have no record. A list whose length is not what the record says was
 * not written by us: evicted, tampered with, or too old. */
#define CHECK_RECORD                                                                      \
    "local record = redis.call('HMGET', r, 'e', 'x', 'n')\n"                              \
    "if record[1] ~= ARGV[1] then\n"                                                      \
    "  local lost = ARGV[3] ~= '1' or (not record[1] and redis.call('EXISTS', l) == 1)\n" \
    "  write_record(lost)\n"                                                              \
    "  if lost then return {1, 0} end\n"                                                  \
    "elseif record[2] then\n"                                                             \
    "  return {1, 0}\n"                                                                   \
    "end\n"                                                                               \
    "local n = redis.call('LLEN', l)\n"                                                   \
    "if record[1] == ARGV[1] and n ~= tonumber(record[3]) then\n"                         \
    "  write_record(true)\n"                                                              \
    "  return {1, 0}\n"                                                                   \
    "end\n"

static const char *const texts[DELIVERY_SCRIPT_COUNT] = {
    [DELIVERY_SCRIPT_HELLO] = CHECK_OWNER("KEYS[2]") "redis.call('SET', KEYS[2], ARGV[2])\n"
                                                     "return {0, redis.call('GET', KEYS[1]) or "
                                                     "'0', redis.call('HGETALL', KEYS[3])}\n",
    [DELIVERY_SCRIPT_FOUND] = CHECK_OWNER(
        "KEYS[2]") "redis.call('SET', KEYS[1], ARGV[1])\n"
                   "redis.call('DEL', KEYS[3])\n"
                   "for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end\n"
                   "return {0, 0}\n",
    [DELIVERY_SCRIPT_PARKED] = CHECK_SHARD(
        "KEYS[1]",
        "KEYS[2]") "for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end\n"
                   "return {0, 0}\n",
    /* ARGV[4]: the longest list, ARGV[5]: milliseconds that one lives without a trim: when Redis has let it go, the record
     * tells. Then 28 bytes each: partition, offset, and the reference as it goes into the list. What the record says is
     * parked already is passed over, so that reading the feed again is harmless. */
    [DELIVERY_SCRIPT_PUSH] = DEVICE_HEAD CHECK_RECORD
    "local seen, add = {}, {}\n"
    "for i = 6, #ARGV do\n"
    "  local p, o = struct.unpack('>I4I8', ARGV[i])\n"
    "  local last = seen[p] or tonumber(redis.call('HGET', r, p) or 0)\n"
    "  if o > last then\n"
    "    last = o\n"
    "    add[#add + 1] = string.sub(ARGV[i], 13)\n"
    "  end\n"
    "  seen[p] = last\n"
    "end\n"
    "if #add == 0 then return {0, 0} end\n"
    "if n + #add > tonumber(ARGV[4]) then\n"
    "  write_record(true)\n"
    "  return {1, 0}\n"
    "end\n"
    "redis.call('RPUSH', l, unpack(add))\n"
    "if redis.call('PTTL', l) < 0 then redis.call('PEXPIRE', l, ARGV[5]) end\n"
    "local fields = {'n', n + #add}\n"
    "for p, o in pairs(seen) do\n"
    "  fields[#fields + 1] = p\n"
    "  fields[#fields + 1] = string.format('%.0f', o)\n"
    "end\n"
    "redis.call('HSET', r, unpack(fields))\n"
    "return {0, #add}\n",
    [DELIVERY_SCRIPT_OPEN] =
        DEVICE_HEAD CHECK_RECORD "if redis.call('HEXISTS', r, 'u') == 1 then return {1, 0} end\n"
                                 "return {0, n, redis.call('HGETALL', r)}\n",
    [DELIVERY_SCRIPT_READ] = DEVICE_HEAD CHECK_RECORD
    "return {0, n, redis.call('LRANGE', l, ARGV[4], ARGV[4] + ARGV[5] - 1)}\n",
    /* ARGV[5]: as of a push. */
    [DELIVERY_SCRIPT_TRIM] =
        DEVICE_HEAD CHECK_RECORD "local count = math.min(n, tonumber(ARGV[4]))\n"
                                 "if count == n then\n"
                                 "  redis.call('UNLINK', l)\n"
                                 "else\n"
                                 "  redis.call('LTRIM', l, count, -1)\n"
                                 "  redis.call('PEXPIRE', l, ARGV[5])\n"
                                 "end\n"
                                 "redis.call('HSET', r, 'n', n - count)\n"
                                 "return {0, n - count}\n",
    /* ARGV[4]: 1 when the device was told to resync and has not shown yet that it heard. */
    [DELIVERY_SCRIPT_CLEAR] =
        DEVICE_HEAD "write_record(false)\n"
                    "if ARGV[4] == '1' then redis.call('HSET', r, 'u', 1) end\n"
                    "return {0, 0}\n",
    [DELIVERY_SCRIPT_CONFIRM] = DEVICE_HEAD CHECK_RECORD "redis.call('HDEL', r, 'u')\n"
                                                         "return {0, 0}\n",
    [DELIVERY_SCRIPT_MARK] = DEVICE_HEAD "write_record(true)\n"
                                         "return {0, 0}\n",
    [DELIVERY_SCRIPT_DROP] = DEVICE_HEAD "redis.call('UNLINK', l, r)\n"
                                         "return {0, 0}\n",
    /* Looks, and writes nothing, not even that it found the inbox lost. ARGV[4]: a reference as it lies in the list, which
     * is never longer than limits.max_inbox_events. Answers whether the inbox is lost (1), the place of the reference
     * (1: the first; 0: it is not there), and whether a resync was not heard (1). */
    [DELIVERY_SCRIPT_TRACE] = DEVICE_HEAD
    "local record = redis.call('HMGET', r, 'e', 'x', 'n', 'u')\n"
    "if record[1] ~= ARGV[1] then\n"
    "  local lost = ARGV[3] ~= '1' or (not record[1] and redis.call('EXISTS', l) == 1)\n"
    "  return {0, lost and 1 or 0, 0, 0}\n"
    "end\n"
    "if record[2] or redis.call('LLEN', l) ~= tonumber(record[3]) then\n"
    "  return {0, 1, 0, 0}\n"
    "end\n"
    "local place = redis.call('LPOS', l, ARGV[4])\n"
    "return {0, 0, place and place + 1 or 0, record[4] and 1 or 0}\n",
};
/* clang-format on */

const char *delivery_script_text(enum delivery_script script)
{
    return texts[script];
}
