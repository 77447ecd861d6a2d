-- Accepts tasks, N in one call: each one is queued *and* recorded, or neither.
--
-- KEYS  live, open, scheduled, queues, index, owners, then for each queue its lists, the one served first in front
-- ARGV  prefix, now (ms), open ttl (s), live limit, deepest queue, how many lists a queue has, channel and message of
--       task-sent ('' for none), 1 for all or none, life of a claim (s), count of claims; then for each claim:
--         which of the tasks it is of (1..), its key, a fingerprint of what is asked for, what those are told who claim
--         it after ('' for the id of the task; a text stands for all of the call, and is of the first); for each task:
--         id, nonce ('' for a task that is only queued, not recorded), queue (1..), list (1..), held until (ms, 0 for
--         not held, -1 for one that a worker will send: it is recorded alone), message, first update, second update (''
--         for none), the task's name, the queue's, time (ms), count of further fields of the record and their values,
--         and these: first of all its owner, if it has one
-- reply for each task: 2 accepted before, 1 accepted, 0 its id is taken, -1 its queue is too deep, -2 its queue's key is
--         no list, -3 a key of its record is of another kind, -4 its claim was made before for something else, -5 it was
--         held back for others, -6 its queue is paused; or what those are told who make a claim after another.
--         The message of task-sent is published when all are 1.
--
-- A repeated call with the same nonce (the connection broke before the answer came) is accepted once.

-- include feed
-- include trouble
local live, open, scheduled, queues, index, owners = unpack(KEYS, 1, 6)
local prefix, now, ttl, live_limit, deepest, lists, sent_channel, sent = unpack(ARGV, 1, 8)
local together, claim_ttl, claim_count = unpack(ARGV, 9, 11)
local ACCEPTED_BEFORE, ACCEPTED, TAKEN, SATURATED, NO_LIST, BROKEN, REUSED, HELD_BACK = 2, 1, 0, -1, -2, -3, -4, -5
local PAUSED = -6
local PLANNED = '-1'
local CHUNK = 2000 -- values of one command: Lua's stack has room for 8,000
local call = redis.call
local depths, known, claims, paused = {}, {}, {}, {}
-- Written together at the end: half as much work as one by one.
local pushed, opened, indexed, owned, planned = {}, {}, {}, {}, {}
local first_task = 12 + 4 * claim_count

deepest = tonumber(deepest)
for at = 12, first_task - 1, 4 do
  claims[tonumber(ARGV[at])] = { key = ARGV[at + 1], fingerprint = ARGV[at + 2], answer = ARGV[at + 3] }
end

local function list_of(queue, number)
  return KEYS[6 + (queue - 1) * lists + number]
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

local function is_paused(queue)
  if paused[queue] == nil then paused[queue] = call('SISMEMBER', prefix .. 'paused', list_of(queue, 1)) == 1 end
  return paused[queue]
end

local function tell(id, seq, update, told)
  if update == '' then return end
  local history = prefix .. 'history:' .. id
  local length = call('RPUSH', history, update)
  if length > seq then call('LTRIM', history, -seq, -1) end -- what is left of a record that has gone
  feed(live, live_limit, id, seq, update, told)
end

-- Whom a task concerns, by what is to be its record: `concerned` would ask Redis for it.
local function concerned_by(task, queue_name, first_field, last)
  local told = { FED.task, task, FED.queue, queue_name }
  for field = first_field, last, 2 do
    if FED[ARGV[field]] then
      told[#told + 1] = FED[ARGV[field]]
      told[#told + 1] = ARGV[field + 1]
    end
  end
  return told
end

local function gathered(groups, name)
  local values = groups[name]
  if not values then
    values = {}
    groups[name] = values
  end
  return values
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
  if due == PLANNED then
    call('HDEL', record, 'payload')
    planned[#planned + 1] = now
    planned[#planned + 1] = id
  elseif due ~= '0' then
    call('ZADD', scheduled, due, id)
    call('HSET', record, 'list', list_of(queue, number))
    life = math.ceil(ttl + (due - now) / 1000) -- its first news comes after its time
  end
  call('EXPIRE', record, life)
  local told = concerned_by(task, queue_name, at + 12, last)
  tell(id, 1, first, told)
  tell(id, 2, second, told)
  call('EXPIRE', prefix .. 'history:' .. id, life)
  opened[#opened + 1] = now
  opened[#opened + 1] = id
  indexed[#indexed + 1] = at_ms
  indexed[#indexed + 1] = id
  if last > at + 11 and ARGV[at + 12] == 'owner' then
    local theirs = gathered(owned, ARGV[at + 13])
    theirs[#theirs + 1] = at_ms
    theirs[#theirs + 1] = id
  end
end

-- What became of the claim before; nil when this is the first one.
local function claimed_before(claim, nonce)
  local held = call('GET', claim.key)
  if not held then return nil end
  local fingerprint, theirs, id = string.match(held, '^(%S+) (%S*) (.*)$')
  if fingerprint ~= claim.fingerprint then return REUSED end
  return nonce ~= '' and theirs == nonce and ACCEPTED_BEFORE or id
end

-- Why a task is not to be queued; nil for one that is.
local function objection(which, id, nonce, queue, due)
  local earlier = claims[which] and claimed_before(claims[which], nonce)
  if earlier then return earlier end
  local record = prefix .. 'task:' .. id
  if call('EXISTS', record) == 1 then
    return call('HGET', record, 'nonce') == nonce and ACCEPTED_BEFORE or TAKEN
  end
  if due == PLANNED then return nil end
  if is_paused(queue) then return PAUSED end
  local depth = depth_of(queue)
  if not depth then return NO_LIST end
  return depth >= deepest and SATURATED or nil
end

local function accept(which, at, last)
  local id, nonce, queue, number, due, message = unpack(ARGV, at, at + 5)
  queue, number = tonumber(queue), tonumber(number)
  local outcome = objection(which, id, nonce, queue, due)
  if outcome then return outcome end
  if nonce ~= '' then record_of(id, nonce, queue, number, due, message, at, last) end
  local claim = claims[which]
  if claim then
    local answer = claim.answer ~= '' and claim.answer or id
    call('SET', claim.key, claim.fingerprint .. ' ' .. nonce .. ' ' .. answer, 'EX', claim_ttl)
  end
  if due == '0' then
    local messages = gathered(pushed, list_of(queue, number))
    messages[#messages + 1] = message
  end
  if due ~= PLANNED then depths[queue] = depths[queue] + 1 end
  return ACCEPTED
end

-- What is wrong with the keys of one task must not keep the others from being accepted, nor leave half of it behind.
-- The second value is an error of the server, which ends the call: it comes with the first thing that is written.
local function accept_alone(which, at, last)
  local done, outcome = pcall(accept, which, at, last)
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

-- What would become of a task, as `accept` has it, when those before it are accepted. Nothing is written.
local ids = {}
local function look_at(which, at)
  local id, nonce, queue, _, due = unpack(ARGV, at, at + 4)
  queue = tonumber(queue)
  local outcome = objection(which, id, nonce, queue, due)
  if outcome then return outcome end
  if ids[id] then return TAKEN end
  local history = call('TYPE', prefix .. 'history:' .. id).ok
  if history ~= 'none' and history ~= 'list' then return BROKEN end
  ids[id] = true
  if due ~= PLANNED then depths[queue] = depths[queue] + 1 end
  return ACCEPTED
end

local function look_at_alone(which, at)
  local done, outcome = pcall(look_at, which, at)
  if done then return outcome end
  local _, error = trouble(outcome)
  return BROKEN, error
end

-- The outcome of `run` for each task. The second value is an error of the server.
local function for_each_task(run)
  local outcomes, at = {}, first_task
  while at <= #ARGV do
    local last = at + 11 + ARGV[at + 11]
    local outcome, error = run(#outcomes + 1, at, last)
    if error then return nil, error end
    outcomes[#outcomes + 1] = outcome
    at = last + 1
  end
  return outcomes
end

-- What is told instead of these outcomes, if some of them are refusals, or all were claimed before; nil if not.
local function held_back(outcomes)
  local told, some = {}, false
  if claims[1] and claims[1].answer ~= '' and type(outcomes[1]) == 'string' then
    for which = 1, #outcomes do told[which] = outcomes[1] end
    return told
  end
  for which, outcome in ipairs(outcomes) do
    some = some or (type(outcome) == 'number' and outcome < ACCEPTED)
    told[which] = outcome == ACCEPTED and HELD_BACK or outcome
  end
  return some and told or nil
end

local function in_chunks(command, key, values)
  for at = 1, #values, CHUNK do call(command, key, unpack(values, at, math.min(at + CHUNK - 1, #values))) end
end

if together == '1' then
  local outcomes, error = for_each_task(look_at_alone)
  if error then return error end
  local told = held_back(outcomes)
  if told then return told end
  depths = {}
end

local reply, error = for_each_task(accept_alone)
if error then return error end
local all = true
for _, outcome in ipairs(reply) do all = all and outcome == ACCEPTED end
for list, messages in pairs(pushed) do in_chunks('LPUSH', list, messages) end
in_chunks('ZADD', open, opened)
in_chunks('ZADD', index, indexed)
in_chunks('ZADD', prefix .. 'planned', planned)
for owner, tasks in pairs(owned) do
  call('SADD', owners, owner)
  in_chunks('ZADD', index .. ':' .. owner, tasks)
end
if all and sent_channel ~= '' then call('PUBLISH', sent_channel, sent) end
return reply
