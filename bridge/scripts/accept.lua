-- Accepts tasks, N in one call: each one is queued *and* recorded, or neither.
--
-- KEYS  live, open, scheduled, queues, index, owners, then for each queue its lists, the one served first in front
-- ARGV  prefix, now (ms), open ttl (s), live limit, deepest queue, how many lists a queue has, 1 for all or none, life of
--       a claim (s), count of claims; then for each claim:
--         which of the tasks it is of (1..), its key, a fingerprint of what is asked for, what those are told who claim
--         it after ('' for the id of the task; a text stands for all of the call, and is of the first);
--       then the count of messages of task-sent, and for each its channel, and itself;
--       then the count of kinds, since most tasks of a call have all this in common, and for each kind:
--         queue (1..), list (1..), held until (ms, 0 for not held, -1 for one that a worker will send: it is recorded
--         alone), first update, second update ('' for none), the task's name ('' for a task that is only queued, not
--         recorded), the queue's, time (ms), template of the message: its gaps (a letter for each: I the task's id, T
--         the tag, V the next value) and the texts around them; count of further fields of the record and their values,
--         and these;
--       then for each task:
--         kind (1..), id, tag of the delivery, values for the template
-- reply for each task: 2 accepted before, 1 accepted, 0 its id is taken, -1 its queue is too deep, -2 its queue's key is
--         no list, -3 a key of its record is of another kind, -4 its claim was made before for something else, -5 it was
--         held back for others, -6 its queue is paused; or what those are told who make a claim after another.
--         The messages of task-sent are published when all are 1.
--
-- A repeated call with the same tags (the connection broke before the answer came) is accepted once.

-- include feed
-- include history
-- include kinds
-- include trouble
local live, open, scheduled, queues, index, owners = unpack(KEYS, 1, 6)
local prefix, now, ttl, live_limit, deepest, lists, together, claim_ttl, claim_count = unpack(ARGV, 1, 9)
local ACCEPTED_BEFORE, ACCEPTED, TAKEN, SATURATED, NO_LIST, BROKEN, REUSED, HELD_BACK = 2, 1, 0, -1, -2, -3, -4, -5
local PAUSED = -6
local FED_TOGETHER = 16 -- tasks in one entry of the feed: its cap counts entries, so they must not be large
local CHUNK = 2000 -- values of one command: Lua's stack has room for 8,000
local call = redis.call
local depths, known, claims, paused, announcements, leftovers = {}, {}, {}, {}, {}, {}
-- Written together at the end: half as much work as one by one.
local pushed, opened, indexed, owned, planned = {}, {}, {}, {}, {}

deepest = tonumber(deepest)

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

local function gathered(groups, name)
  local values = groups[name]
  if not values then
    values = {}
    groups[name] = values
  end
  return values
end

local function read_claims(at)
  for _ = 1, claim_count do
    local which, key, fingerprint, answer = unpack(ARGV, at, at + 3)
    claims[tonumber(which)] = { key = key, fingerprint = fingerprint, answer = answer }
    at = at + 4
  end
  return at
end

local function read_announcements(at)
  for which = 1, ARGV[at] do announcements[which] = { ARGV[at + 2 * which - 1], ARGV[at + 2 * which] } end
  return at + 1 + 2 * #announcements
end

local function record_of(id, record, history, nonce, kind, message)
  if not known[kind.queue] then
    known[kind.queue] = true
    call('SADD', queues, list_of(kind.queue, 1))
  end
  if kind.due == PLANNED then
    call('HSET', record, 'nonce', nonce, unpack(kind.fields))
    planned[#planned + 1] = now
    planned[#planned + 1] = id
  else
    call('HSET', record, 'nonce', nonce, 'payload', message, unpack(kind.fields))
    if kind.due ~= NOW then call('ZADD', scheduled, kind.due, id) end
  end
  call('EXPIRE', record, kind.life)
  if leftovers[history] then call('DEL', history) end
  if kind.history then
    call('RPUSH', history, kind.history, kind.second)
    call('EXPIRE', history, kind.life)
  end
  kind.fed[#kind.fed + 1] = id
  opened[#opened + 1] = now
  opened[#opened + 1] = id
  indexed[#indexed + 1] = kind.at_ms
  indexed[#indexed + 1] = id
  if kind.owner then
    local theirs = gathered(owned, kind.owner)
    theirs[#theirs + 1] = kind.at_ms
    theirs[#theirs + 1] = id
  end
end

-- The keys of a task, and its nonce: by that its record is known for one that this very call has made. Of what is not
-- recorded there is none.
local function keys_of(kind, id, tag)
  return prefix .. 'task:' .. id, prefix .. 'history:' .. id, kind.is_recorded and string.sub(tag, 1, 8) or ''
end

-- What became of the claim before; nil when this is the first one.
local function claimed_before(claim, nonce)
  local held = call('GET', claim.key)
  if not held then return nil end
  local fingerprint, theirs, id = string.match(held, '^(%S+) (%S*) (.*)$')
  if fingerprint ~= claim.fingerprint then return REUSED end
  return nonce ~= '' and theirs == nonce and ACCEPTED_BEFORE or id
end

-- Whether a task is known, or its keys are in the way; nil when there are none.
local function known_before(record, history, nonce)
  if call('EXISTS', record, history) == 0 then return nil end
  if call('EXISTS', record) == 1 then
    return call('HGET', record, 'nonce') == nonce and ACCEPTED_BEFORE or TAKEN
  end
  leftovers[history] = call('TYPE', history).ok == 'list' -- of a record that has gone
  return not leftovers[history] and BROKEN or nil
end

-- Why a task is not to be queued; nil for one that is.
local function objection(which, record, history, nonce, kind)
  local earlier = claims[which] and claimed_before(claims[which], nonce) or known_before(record, history, nonce)
  if earlier then return earlier end
  if kind.due == PLANNED then return nil end
  if is_paused(kind.queue) then return PAUSED end
  local depth = depth_of(kind.queue)
  if not depth then return NO_LIST end
  return depth >= deepest and SATURATED or nil
end

local function accept(which, kind, id, tag, values_at)
  local record, history, nonce = keys_of(kind, id, tag)
  local outcome = objection(which, record, history, nonce, kind)
  if outcome then return outcome end
  local message = message_of(kind, id, tag, values_at)
  if kind.is_recorded then record_of(id, record, history, nonce, kind, message) end
  local claim = claims[which]
  if claim then
    local answer = claim.answer ~= '' and claim.answer or id
    call('SET', claim.key, claim.fingerprint .. ' ' .. nonce .. ' ' .. answer, 'EX', claim_ttl)
  end
  if kind.due == NOW then
    local messages = gathered(pushed, kind.list)
    messages[#messages + 1] = message
  end
  if kind.due ~= PLANNED then depths[kind.queue] = depths[kind.queue] + 1 end
  return ACCEPTED
end

-- What is wrong with the keys of one task must not keep the others from being accepted, nor leave half of it behind.
-- The second value is an error of the server, which ends the call: it comes with the first thing that is written.
local function accept_alone(which, kind, id, tag, values_at)
  local done, outcome = pcall(accept, which, kind, id, tag, values_at)
  if done then return outcome end
  local _, error = trouble(outcome)
  if not error then
    local record, _, nonce = keys_of(kind, id, tag)
    local theirs = redis.pcall('HGET', record, 'nonce')
    if theirs == nonce then call('DEL', record) end
    call('ZREM', scheduled, id)
  end
  return BROKEN, error
end

-- What would become of a task, as `accept` has it, when those before it are accepted. Nothing is written.
local ids = {}
local function look_at(which, kind, id, tag)
  local record, history, nonce = keys_of(kind, id, tag)
  local outcome = objection(which, record, history, nonce, kind)
  if outcome then return outcome end
  if ids[id] then return TAKEN end
  ids[id] = true
  if kind.due ~= PLANNED then depths[kind.queue] = depths[kind.queue] + 1 end
  return ACCEPTED
end

local function look_at_alone(which, kind, id, tag)
  local done, outcome = pcall(look_at, which, kind, id, tag)
  if done then return outcome end
  local _, error = trouble(outcome)
  return BROKEN, error
end

local kinds, first_task = read_kinds(read_announcements(read_claims(10)), list_of, now, ttl)

-- The outcome of `run` for each task. The second value is an error of the server.
local function for_each_task(run)
  local outcomes = {}
  local at = first_task
  while at <= #ARGV do
    local kind, id, tag = unpack(ARGV, at, at + 2)
    kind = kinds[tonumber(kind)]
    local outcome, error = run(#outcomes + 1, kind, id, tag, at + 3)
    if error then return nil, error end
    outcomes[#outcomes + 1] = outcome
    at = at + 3 + kind.values
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

local function feed_kind(kind)
  for at = 1, #kind.fed, FED_TOGETHER do
    local ids = table.concat(kind.fed, ' ', at, math.min(at + FED_TOGETHER - 1, #kind.fed))
    feed(live, SEVERAL, ids, 1, kind.first, kind.told)
    if kind.history then feed(live, SEVERAL, ids, 2, kind.second, kind.told) end
  end
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
for _, kind in ipairs(kinds) do feed_kind(kind) end
for list, messages in pairs(pushed) do in_chunks('LPUSH', list, messages) end
if #opened > 0 then trim(live, live_limit) end
in_chunks('ZADD', open, opened)
in_chunks('ZADD', index, indexed)
in_chunks('ZADD', prefix .. 'planned', planned)
for owner, tasks in pairs(owned) do
  call('SADD', owners, owner)
  in_chunks('ZADD', index .. ':' .. owner, tasks)
end
if all then
  for _, announcement in ipairs(announcements) do call('PUBLISH', unpack(announcement)) end
end
return reply
