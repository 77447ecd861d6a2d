-- Accepts tasks, N in one call: each one is queued *and* recorded, or neither.
--
-- KEYS  live, open, scheduled, queues, then for each queue its four lists, the one served first in front
-- ARGV  prefix, now (ms), open ttl (s), live limit, deepest queue, channel of task-sent; then for each task:
--         id, nonce, queue (1..), list (1..4), held until (ms, 0 for not held), message, task-sent event ('' for none),
--         first update, second update ('' for none), count of the record's fields and values, and these
-- reply for each task: 1 accepted, 0 its id is taken, -1 its queue is too deep, -2 its queue's key is no list
--
-- A repeated call with the same nonce (the connection broke before the answer came) is accepted once.

local live, open, scheduled, queues = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, now, ttl, live_limit, deepest, sent_channel = unpack(ARGV, 1, 6)
local ACCEPTED, TAKEN, SATURATED, NO_LIST = 1, 0, -1, -2
local depths = {}

local function list_of(queue, number)
  return KEYS[4 + (queue - 1) * 4 + number]
end

local function depth_of(queue)
  if not depths[queue] then
    local depth = 0
    for number = 1, 4 do
      local length = redis.pcall('LLEN', list_of(queue, number))
      if type(length) == 'table' then return nil end
      depth = depth + length
    end
    depths[queue] = depth
    redis.call('SADD', queues, list_of(queue, 1))
  end
  return depths[queue]
end

local function tell(id, seq, update)
  if update == '' then return end
  local history = prefix .. 'history:' .. id
  local length = redis.call('RPUSH', history, update)
  if length > seq then redis.call('LTRIM', history, -seq, -1) end -- what is left of a record that has gone
  redis.call('XADD', live, 'MAXLEN', '~', live_limit, '*', 'i', id, 's', seq, 'u', update)
end

local function accept(id, nonce, queue, number, due, message, sent, first, second, fields)
  local record = prefix .. 'task:' .. id
  if redis.call('EXISTS', record) == 1 then
    return redis.call('HGET', record, 'nonce') == nonce and ACCEPTED or TAKEN
  end
  local depth = depth_of(queue)
  if not depth then return NO_LIST end
  if depth >= tonumber(deepest) then return SATURATED end
  depths[queue] = depth + 1

  local life = ttl
  if due == '0' then
    redis.call('LPUSH', list_of(queue, number), message)
  else
    redis.call('ZADD', scheduled, due, id)
    redis.call('HSET', record, 'list', list_of(queue, number))
    life = math.ceil(ttl + (due - now) / 1000) -- its first news comes after its time
  end
  redis.call('HSET', record, 'nonce', nonce, 'payload', message, 'seq', second == '' and 1 or 2, unpack(fields))
  redis.call('EXPIRE', record, life)
  tell(id, 1, first)
  tell(id, 2, second)
  redis.call('EXPIRE', prefix .. 'history:' .. id, life)
  redis.call('ZADD', open, now, id)
  if sent ~= '' then redis.call('PUBLISH', sent_channel, sent) end
  return ACCEPTED
end

local reply, at = {}, 7
while at <= #ARGV do
  local id, nonce, queue, number, due, message, sent, first, second, count = unpack(ARGV, at, at + 9)
  local last = at + 9 + tonumber(count)
  reply[#reply + 1] = accept(
    id, nonce, tonumber(queue), tonumber(number), due, message, sent, first, second, { unpack(ARGV, at + 10, last) }
  )
  at = last + 1
end
return reply
