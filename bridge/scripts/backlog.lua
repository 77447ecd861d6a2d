-- Tells how queues stand, as of one moment.
--
-- KEYS  unacked, scheduled, then for each queue its lists
-- ARGV  prefix, now (ms), how many lists a queue has, how many messages and held tasks to look at
-- reply {how many messages workers have taken, how many tasks are held, counts of the first by queue, counts of the
--       second by queue, each as {queue, count, …}; then for each queue {length of each list, …, since when the task
--       waits that waits longest (ms, -1 for unknown)}}

local unacked, scheduled = KEYS[1], KEYS[2]
local prefix, now, lists, limit = unpack(ARGV)
now, lists, limit = tonumber(now), tonumber(lists), tonumber(limit)
local TAIL = 1100 -- of a value of `unacked`, which ends with its routing key: "…"]

local function added(counts, queue)
  if queue then counts[queue] = (counts[queue] or 0) + 1 end
end

local function flat(counts)
  local pairs_ = {}
  for queue, count in pairs(counts) do
    pairs_[#pairs_ + 1] = queue
    pairs_[#pairs_ + 1] = count
  end
  return pairs_
end

local function routing_key(value)
  local quoted = string.match(string.sub(value, -TAIL), '("[^"]*")%]$')
  local read, key = pcall(cjson.decode, '[' .. (quoted or '') .. ']')
  return read and key[1]
end

local function taken()
  local counts, cursor, looked_at = {}, '0', 0
  repeat
    local page = redis.call('HSCAN', unacked, cursor, 'COUNT', 500)
    cursor = page[1]
    for at = 2, #page[2], 2 do added(counts, routing_key(page[2][at])) end
    looked_at = looked_at + #page[2] / 2
  until cursor == '0' or looked_at >= limit
  return flat(counts)
end

local function held()
  local counts = {}
  for _, id in ipairs(redis.call('ZRANGE', scheduled, 0, limit - 1)) do
    local queue = redis.pcall('HGET', prefix .. 'task:' .. id, 'queue')
    added(counts, type(queue) == 'string' and queue)
  end
  return flat(counts)
end

-- Since when the oldest task of a list waits: not before it was to run.
local function waits_since(list)
  local message = redis.pcall('LINDEX', list, -1)
  local read, envelope = pcall(cjson.decode, type(message) == 'string' and message or '')
  local headers = read and type(envelope) == 'table' and envelope.headers
  local id = type(headers) == 'table' and headers.id
  if type(id) ~= 'string' then return nil end
  local submitted, eta = unpack(redis.pcall('HMGET', prefix .. 'task:' .. id, 'submitted_at', 'eta'))
  submitted, eta = tonumber(submitted or nil), tonumber(eta or nil)
  return submitted and eta and eta <= now and math.max(submitted, eta) or submitted
end

local function length(list)
  local count = redis.pcall('LLEN', list)
  return type(count) == 'number' and count or 0
end

local reply = { redis.call('HLEN', unacked), redis.call('ZCARD', scheduled), taken(), held() }
for first = 3, #KEYS, lists do
  local queue, oldest = {}, nil
  for at = first, first + lists - 1 do
    queue[#queue + 1] = length(KEYS[at])
    local since = waits_since(KEYS[at])
    if since and (not oldest or since < oldest) then oldest = since end
  end
  queue[#queue + 1] = oldest or -1
  reply[#reply + 1] = queue
end
return reply
