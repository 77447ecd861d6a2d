-- Moves tasks forward by news, N in one call. Everything a task does after it was accepted comes through here, so
-- two watchers are as safe as one, and the sweep and the events cannot disagree.
--
-- KEYS  live, open, scheduled, index
-- ARGV  prefix, table of statuses (JSON), open ttl (s), ended ttl (s), live limit, history limit; then for each news:
--         id, status ('' for progress), attempt (0 for unknown), time (ms), flags, list to withdraw from ('' for none),
--         when it was said ('' for unknown), the tasks that it comes of, the nearest first, with a space between,
--         rest of the update, count of facts and these, count of changes and these
--       flags: A adopts an unknown task, B comes from the result backend, S was read by a sweep, P keeps the payload,
--              R is dropped while the task runs, U is an end that the result backend does not say yet
--       said: seconds and a logical clock; what is not later than the latest of its attempt was told before
--       facts: fields and values set once, also by late news;  changes: set only by news that moves the task
-- reply for each news: {outcome, attempt, status}; outcome: seq of the new update, 0 dropped, -1 unknown task,
--       -2 not recorded, since a key of the task is not as Petiole writes it: then, for status, what was wrong

-- include feed
-- include history
-- include trouble
local live, open, scheduled, index = unpack(KEYS)
local prefix, statuses, open_ttl, ended_ttl, live_limit, history_limit = unpack(ARGV, 1, 6)
statuses = cjson.decode(statuses)
local grown = false -- the feed, by this call
local UNKNOWN, DROPPED, BROKEN = -1, 0, -2
local RECENT = 32 -- updates that are searched for a double of a progress update
local TIME = 36 -- ,"time":"2026-01-31T12:00:00.000Z"} stands at the end of each update

local function has(flags, letter)
  return string.find(flags, letter, 1, true) ~= nil
end

-- The attempt that the news is about; nil when it is too old to matter.
local function attempt_of(news, task)
  if news.attempt > 0 then return news.attempt end
  local to = statuses[news.status]
  if to.ends and not to.concluded then return task.attempt end
  local last_news = tonumber(redis.call('ZSCORE', open, news.id) or '0')
  if news.time < last_news + (has(news.flags, 'S') and 1 or 0) then return nil end
  if news.status == 'retrying' then
    -- The backend says "retry" until the next attempt starts, so for a later attempt that waits it is old news.
    return (task.status == 'running' or task.attempt == 1) and task.attempt or nil
  end
  if task.status ~= 'retrying' then return task.attempt end
  -- A worker says "started" of a next attempt. An event that says so may be late, what the backend holds is not.
  return has(news.flags, 'B') and task.attempt + 1 or nil
end

local function moves(news, task, attempt)
  local to, from = statuses[news.status], statuses[task.status]
  if from.ends or (has(news.flags, 'R') and task.status == 'running') then return false end
  if to.ends then return true end
  if attempt ~= task.attempt then return attempt > task.attempt end
  if news.progress then return from.rank <= to.rank end
  return to.rank > from.rank
end

-- Whether two moments, as the record has them: attempt, seconds, clock; the first is not later than the second.
local function no_later(said, latest)
  local seconds, clock = string.match(said, ' (%S+) (%S+)$')
  local latest_seconds, latest_clock = string.match(latest, ' (%S+) (%S+)$')
  if tonumber(seconds) ~= tonumber(latest_seconds) then return tonumber(seconds) < tonumber(latest_seconds) end
  return tonumber(clock) <= tonumber(latest_clock)
end

-- What a task says comes in order from each watcher, so what is not later than the latest of its attempt was told.
local function said_before(record, attempt, said)
  said = attempt .. ' ' .. said
  local latest = redis.call('HGET', record, 'said')
  if latest and string.match(latest, '^%d+') == tostring(attempt) and no_later(said, latest) then return true end
  redis.call('HSET', record, 'said', said)
  return false
end

-- What another task has sent belongs to whom that belongs to, as far as one of those that it comes of is known.
local function inherit(news, record)
  for id in string.gmatch(news.kin, '%S+') do
    local owner, batch = unpack(redis.pcall('HMGET', prefix .. 'task:' .. id, 'owner', 'batch'))
    if owner then redis.call('HSET', record, 'owner', owner) end
    if batch then redis.call('HSET', record, 'batch', batch) end
    if owner or batch then return end
  end
end

-- Two watchers see the same progress; within the latest updates the same one is not told again.
local function told_before(news, record, history, attempt, update)
  if news.said ~= '' then return said_before(record, attempt, news.said) end
  local told = string.sub(update, 1, -TIME)
  for _, old in ipairs(redis.call('LRANGE', history, -RECENT, -1)) do
    if string.sub(old, 1, -TIME) == told then return true end
  end
  return false
end

local function withdrawn(news, record)
  if redis.call('ZREM', scheduled, news.id) == 1 then return true end
  local payload = redis.call('HGET', record, 'payload')
  return payload and redis.call('LREM', news.list, 1, payload) > 0
end

-- Until it does, whoever awaits the result would wait.
local function note_untold(news)
  local untold = prefix .. 'untold'
  redis.pcall('ZADD', untold, news.time, news.id)
  redis.call('EXPIRE', untold, ended_ttl)
end

local function finish(news, record, history)
  if has(news.flags, 'U') then note_untold(news) end
  redis.call('ZREM', open, news.id)
  redis.call('HDEL', record, 'list', 'said', 'awaits', 'told')
  if not has(news.flags, 'P') then
    -- Written anew, since a hash that once held a long value never becomes compact again.
    redis.call('HDEL', record, 'payload', 'progress')
    local fields = redis.call('HGETALL', record)
    redis.call('DEL', record)
    redis.call('HSET', record, unpack(fields))
  end
  redis.call('EXPIRE', record, ended_ttl)
  redis.call('EXPIRE', history, ended_ttl)
end

local function keep_open(news, record, history)
  redis.call('ZADD', open, 'GT', news.time, news.id)
  redis.call('EXPIRE', record, open_ttl)
  redis.call('EXPIRE', history, open_ttl)
end

local function append(news, record, history, update, only)
  local seq = redis.call('HINCRBY', record, 'seq', 1)
  if only then
    redis.call('RPUSH', history, only, update)
  elseif redis.call('RPUSH', history, update) > tonumber(history_limit) then
    redis.call('LPOP', history)
  end
  feed(live, ONE, news.id, seq, update, concerned(record))
  grown = true
  return seq
end

local function adopt(news, record)
  redis.call('HSET', record, 'status', 'submitted', 'attempt', 1, 'seq', 0, 'adopted', 1)
  inherit(news, record)
  redis.call('DEL', prefix .. 'history:' .. news.id)
  redis.call('ZADD', index, news.time, news.id)
end

local function index_for_owner(news, record)
  local owner = redis.call('HGET', record, 'owner')
  if not owner then return end
  redis.call('SADD', prefix .. 'owners', owner)
  redis.call('ZADD', index .. ':' .. owner, news.time, news.id)
end

local function state_of(record, history)
  local status, attempt, seq, submitted_at, eta =
    unpack(redis.call('HMGET', record, 'status', 'attempt', 'seq', 'submitted_at', 'eta'))
  if not status then return nil end
  return { status = status, attempt = tonumber(attempt or 1), only = only_update(history, seq, submitted_at, eta) }
end

local function advance(news)
  local record, history = prefix .. 'task:' .. news.id, prefix .. 'history:' .. news.id
  local task = state_of(record, history)
  local unknown = not task
  if unknown then
    if not has(news.flags, 'A') then return { UNKNOWN, 0, '' } end
    task = { status = 'submitted', attempt = 1 }
    adopt(news, record)
  end
  for at = 1, #news.facts, 2 do redis.call('HSETNX', record, news.facts[at], news.facts[at + 1]) end
  if unknown then index_for_owner(news, record) end

  local attempt = attempt_of(news, task)
  local first = unknown and news.status == 'submitted'
  if not attempt or not (first or moves(news, task, attempt)) then return { DROPPED, task.attempt, task.status } end
  attempt = math.max(attempt, task.attempt)
  local update = '{"status":"' .. news.status .. '","attempt":' .. attempt .. news.rest
  if news.progress and told_before(news, record, history, attempt, update) then return { DROPPED, task.attempt, task.status } end
  if news.list ~= '' and not withdrawn(news, record) then return { DROPPED, task.attempt, task.status } end

  local seq = append(news, record, history, update, task.only)
  redis.call('HSET', record, 'status', news.status, 'attempt', attempt, unpack(news.changes))
  local to = statuses[news.status]
  if to.stamps ~= '' and not news.progress then redis.call('HSET', record, to.stamps, news.time) end
  if to.ends then finish(news, record, history) else keep_open(news, record, history) end
  return { seq, attempt, news.status }
end

-- What is wrong with the keys of one task must not keep the news of all others from being recorded. The second value
-- is an error of the server, which ends the call.
local function advance_alone(news)
  local done, outcome = pcall(advance, news)
  if done then return outcome end
  local said, error = trouble(outcome)
  if error then return nil, error end
  return { BROKEN, 0, said }
end

local reply, at = {}, 7
while at <= #ARGV do
  local id, status, attempt, time, flags, list, said, kin, rest, count = unpack(ARGV, at, at + 9)
  local facts_end = at + 9 + tonumber(count)
  local changes_end = facts_end + 1 + tonumber(ARGV[facts_end + 1])
  local outcome, error = advance_alone({
    id = id, progress = status == '', status = status == '' and 'running' or status,
    attempt = tonumber(attempt), time = tonumber(time), flags = flags, list = list, said = said, kin = kin, rest = rest,
    facts = { unpack(ARGV, at + 10, facts_end) }, changes = { unpack(ARGV, facts_end + 2, changes_end) },
  })
  if error then return error end
  reply[#reply + 1] = outcome
  at = changes_end + 1
end
if grown then trim(live, live_limit) end
return reply
