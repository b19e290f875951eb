"""The Lua scripts of the Redis store, each of which is atomic; `headrace.turns.redis` describes the keys."""

from typing import Final

__all__ = ["APPEND", "CREATE", "RUNNING", "STRANDED", "TAKE_OVER", "TOUCH"]

CREATE: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return ARGV[1] end -- redis-py retries after a lost reply
if KEYS[5] then
  local existing = redis.call('GET', KEYS[5])
  if existing and existing ~= ARGV[7] then return existing end
  redis.call('SET', KEYS[5], ARGV[1], 'PX', ARGV[6])
end
if ARGV[8] == '1' then redis.call('HSET', KEYS[3], ARGV[1], ARGV[4]) end
redis.call('SADD', KEYS[4], ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[6])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[6])
redis.call('XADD', KEYS[2], '1-0', 'producer', ARGV[4], 'body', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return ARGV[1]
"""
APPEND: Final = """
local function note_end(id)
  local header = redis.call('GET', 'headrace:turn:' .. id)
  redis.call('SREM', 'headrace:running:' .. cjson.decode(header).owner, id)
end
local process = ARGV[#ARGV]
-- The last id of a log for its writer, who can be right although the log knows of another fence: a failover
-- has lost the takeover. Then the same fence may have been given to another process meanwhile.
local function last_id(log, id, after)
  local fence, position, own = string.match(id, '%d+'), string.match(id, '%d+$'), string.match(after, '%d+')
  if own + 0 > fence + 0 then
    id = own .. '-' .. position
    redis.call('XADD', log, id, 'producer', process, 'died', '0')
  elseif own == fence and own ~= '1' then
    local takeover = redis.call('XRANGE', log, own .. '-0', '+', 'COUNT', 1)[1]
    if takeover[2][2] ~= process then return 'taken' end
  end
  return id
end
local outcomes = {}
for i, log in ipairs(KEYS) do
  local after, last, events = ARGV[5 * i - 4], ARGV[5 * i - 3], ARGV[5 * i - 2]
  local ttl, has_ended = ARGV[5 * i - 1] + 0, ARGV[5 * i] == '1'
  local entry = redis.pcall('XREVRANGE', log, '+', '-', 'COUNT', 1)[1] -- nil if it is not a stream
  local id = entry and last_id(log, entry[1], after) or ''
  if id == after then
    local added = redis.pcall('XADD', log, last, 'events', events)
    if type(added) == 'string' then
      local left = redis.call('PTTL', log)
      if left < ttl * 0.75 or left > ttl then redis.call('PEXPIRE', log, ttl) end
      id = last
      if has_ended then pcall(note_end, string.sub(log, 14)) end -- a damaged header concerns no other turn
    elseif string.find(added.err, 'equal or smaller', 1, true) then
      id = '' -- entries of this log were deleted
    else
      return added
    end
  end
  if id == '' and redis.call('EXISTS', 'headrace:turn:' .. string.sub(log, 14)) == 0 then id = 'unknown' end
  outcomes[i] = id
end
return outcomes
"""
TAKE_OVER: Final = """
local entry = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not entry then return 'gone' end
local fence, position = string.match(entry[1], '(%d+)-(%d+)')
if fence + 1 == ARGV[1] + 0 then
  redis.call('XADD', KEYS[1], ARGV[1] .. '-' .. position, 'producer', ARGV[2], 'died', ARGV[5])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  if redis.call('HEXISTS', KEYS[2], ARGV[4]) == 1 then redis.call('HSET', KEYS[2], ARGV[4], ARGV[2]) end
  return 'taken'
end
if fence == ARGV[1] and entry[2][2] == ARGV[2] then return 'taken' end
return 'lost'
"""
STRANDED: Final = """
local headers = {}
local producers = redis.call('HGETALL', KEYS[1])
for i = 1, #producers, 2 do
  local id = producers[i]
  if redis.call('EXISTS', ARGV[1] .. id) == 0 then
    redis.call('HDEL', KEYS[1], id)
  else
    local process = ARGV[2] .. producers[i + 1]
    local lease_end = tonumber(redis.call('GET', process) or '')
    if not lease_end or redis.call('PTTL', process) <= lease_end then
      headers[#headers + 1] = redis.call('GET', ARGV[3] .. id) or nil
    end
  end
end
return headers
"""
RUNNING: Final = """
local headers = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local header = redis.call('EXISTS', ARGV[1] .. id) == 1 and redis.call('GET', ARGV[2] .. id)
  if header then headers[#headers + 1] = header else redis.call('SREM', KEYS[1], id) end
end
return headers
"""
TOUCH: Final = """
for _, reader in ipairs(KEYS) do redis.call('SET', reader, ARGV[1], 'PX', ARGV[2]) end
"""
