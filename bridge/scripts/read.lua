-- Reads tasks, N in one call, each as of one moment.
--
-- ARGV  prefix; then for each task: id, after (the last seq that the reader has; -1 to read the record instead), the
--       reader: an owner, or '' who may read all
-- reply for each task: nil when it is not known, or another owner's; the updates after that seq as {seq, dropped, status, {update, …}};
--       or the record as {life left (ms), latest update or '', field, value, …}; or what is wrong with its keys, a text

-- include history
-- include trouble
local prefix = ARGV[1]

local function is_seq(number)
  return number and number >= 0 and number <= 2 ^ 53
end

local function updates_after(record, history, after)
  local seq, status, submitted_at, eta = unpack(redis.call('HMGET', record, 'seq', 'status', 'submitted_at', 'eta'))
  if not seq then return false end
  if not is_seq(tonumber(seq)) or not status then error('no seq, or no status') end
  local only = only_update(history, seq, submitted_at, eta)
  if only then return { 1, 0, status, after < 1 and { only } or {} } end
  local dropped = tonumber(seq) - redis.call('LLEN', history)
  local start = math.max(after - dropped, 0)
  return { tonumber(seq), dropped, status, redis.call('LRANGE', history, start, -1) }
end

local function whole(record, history)
  local fields = redis.call('HKEYS', record)
  if #fields == 0 then return false end
  local last = only_update(history, unpack(redis.call('HMGET', record, 'seq', 'submitted_at', 'eta')))
  last = last or redis.call('LINDEX', history, -1)
  local reply = { redis.call('PTTL', record), last or '' }
  for _, field in ipairs(fields) do
    if field ~= 'payload' then -- it may be large, and nobody reads it
      reply[#reply + 1] = field
      reply[#reply + 1] = redis.call('HGET', record, field)
    end
  end
  return reply
end

local function read(id, after, reader)
  local record, history = prefix .. 'task:' .. id, prefix .. 'history:' .. id
  if reader ~= '' and redis.call('HGET', record, 'owner') ~= reader then return false end
  if after < 0 then return whole(record, history) end
  return updates_after(record, history, after)
end

-- What is wrong with the keys of one task must not keep all others from being read.
local replies = {}
for at = 2, #ARGV, 3 do
  local done, reply = pcall(read, ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2])
  if not done then
    local said, error = trouble(reply)
    if error then return error end
    reply = said
  end
  replies[#replies + 1] = reply
end
return replies
