-- Accepts tasks, N in one call: each one is queued *and* recorded, or neither.
--
-- KEYS  live, open, scheduled, queues, index, then for each queue its lists, the one served first in front
-- ARGV  prefix, now (ms), open ttl (s), live limit, deepest queue, how many lists a queue has, channel and message of
--       task-sent; then for each task:
--         id, nonce ('' for a task that is only queued, not recorded), queue (1..), list (1..), held until (ms, 0 for
--         not held), message, first update, second update ('' for none), the task's name, the queue's, time (ms), count
--         of further fields of the record and their values, and these
-- reply for each task: 2 accepted before, 1 accepted, 0 its id is taken, -1 its queue is too deep, -2 its queue's key is
--         no list, -3 a key of its record is of another kind. The message of task-sent is published when all are 1.
--
-- A repeated call with the same nonce (the connection broke before the answer came) is accepted once.

-- include feed
-- include trouble
local live, open, scheduled, queues, index = unpack(KEYS, 1, 5)
local prefix, now, ttl, live_limit, deepest, lists, sent_channel, sent = unpack(ARGV, 1, 8)
local ACCEPTED_BEFORE, ACCEPTED, TAKEN, SATURATED, NO_LIST, BROKEN = 2, 1, 0, -1, -2, -3
local call = redis.call
local depths, known = {}, {}
local pushed, opened, indexed = {}, {}, {} -- written together at the end, which costs half as much as one by one

deepest = tonumber(deepest)

local function list_of(queue, number)
  return KEYS[5 + (queue - 1) * lists + number]
end

local function depth_of(queue)
  if not depths[queue] then
    local depth = 0
    for number = 1, lists do
      local length = redis.pcall('LLEN', list_of(queue, number))
      if type(length) == 'table' then return nil end
      depth = depth + length
    end
    depths[queue] = depth
  end
  return depths[queue]
end

local function tell(record, id, seq, update)
  if update == '' then return end
  local history = prefix .. 'history:' .. id
  local length = call('RPUSH', history, update)
  if length > seq then call('LTRIM', history, -seq, -1) end -- what is left of a record that has gone
  feed(live, live_limit, record, id, seq, update)
end

local function push(list, message)
  local messages = pushed[list]
  if not messages then
    messages = {}
    pushed[list] = messages
  end
  messages[#messages + 1] = message
end

local function record_of(id, nonce, queue, number, due, message, at, last)
  local first, second, task, queue_name, at_ms = unpack(ARGV, at + 6, at + 10)
  local record, life = prefix .. 'task:' .. id, ttl
  if not known[queue] then
    known[queue] = true
    call('SADD', queues, list_of(queue, 1))
  end
  local seq, status = 1, 'submitted'
  if second ~= '' then seq, status = 2, 'scheduled' end
  call(
    'HSET', record, 'nonce', nonce, 'payload', message, 'seq', seq,
    'task', task, 'queue', queue_name, 'status', status, 'submitted_at', at_ms, unpack(ARGV, at + 12, last)
  )
  if due ~= '0' then
    call('ZADD', scheduled, due, id)
    call('HSET', record, 'list', list_of(queue, number))
    life = math.ceil(ttl + (due - now) / 1000) -- its first news comes after its time
  end
  call('EXPIRE', record, life)
  tell(record, id, 1, first)
  tell(record, id, 2, second)
  call('EXPIRE', prefix .. 'history:' .. id, life)
  opened[#opened + 1] = now
  opened[#opened + 1] = id
  indexed[#indexed + 1] = at_ms
  indexed[#indexed + 1] = id
end

local function accept(at, last)
  local id, nonce, queue, number, due, message = unpack(ARGV, at, at + 5)
  local record = prefix .. 'task:' .. id
  if call('EXISTS', record) == 1 then
    return call('HGET', record, 'nonce') == nonce and ACCEPTED_BEFORE or TAKEN
  end
  queue, number = tonumber(queue), tonumber(number)
  local depth = depth_of(queue)
  if not depth then return NO_LIST end
  if depth >= deepest then return SATURATED end
  if nonce ~= '' then record_of(id, nonce, queue, number, due, message, at, last) end
  if due == '0' then push(list_of(queue, number), message) end
  depths[queue] = depth + 1
  return ACCEPTED
end

-- What is wrong with the keys of one task must not keep the others from being accepted, nor leave half of it behind.
-- The second value is an error of the server, which ends the call: it comes with the first thing that is written.
local function accept_alone(at, last)
  local done, outcome = pcall(accept, at, last)
  if done then return outcome end
  local _, error = trouble(outcome)
  if not error then
    local id, nonce = ARGV[at], ARGV[at + 1]
    local record = prefix .. 'task:' .. id
    local theirs = redis.pcall('HGET', record, 'nonce')
    if theirs == nonce then call('DEL', record) end
    call('ZREM', scheduled, id)
  end
  return BROKEN, error
end

local reply, at, all = {}, 9, true
while at <= #ARGV do
  local last = at + 11 + ARGV[at + 11]
  local outcome, error = accept_alone(at, last)
  if error then return error end
  reply[#reply + 1] = outcome
  all = all and outcome == ACCEPTED
  at = last + 1
end
for list, messages in pairs(pushed) do call('LPUSH', list, unpack(messages)) end
if #opened > 0 then
  call('ZADD', open, unpack(opened))
  call('ZADD', index, unpack(indexed))
end
if all then call('PUBLISH', sent_channel, sent) end
return reply
