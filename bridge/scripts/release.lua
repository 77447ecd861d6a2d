-- Hands tasks whose time has come from the schedule to their queues, the earliest first.
--
-- KEYS  scheduled, open
-- ARGV  prefix, now (ms), how many at the most
-- reply how many were taken off the schedule, or put off since their queue's key is no list

local scheduled, open = KEYS[1], KEYS[2]
local prefix, now, limit = unpack(ARGV)
local LATER = 60000 -- ms that a task is put off, so that it does not hold up all others

local function release(id)
  local record = prefix .. 'task:' .. id
  local payload, list = unpack(redis.call('HMGET', record, 'payload', 'list'))
  if payload and list then
    if type(redis.pcall('LPUSH', list, payload)) == 'table' then
      redis.call('ZADD', scheduled, now + LATER, id)
      return
    end
    redis.call('ZADD', open, 'GT', now, id) -- a long wait may have taken it off the watchlist
  end
  redis.call('HDEL', record, 'list')
  redis.call('ZREM', scheduled, id)
end

local due = redis.call('ZRANGEBYSCORE', scheduled, '-inf', now, 'LIMIT', 0, limit)
for _, id in ipairs(due) do release(id) end
return #due
