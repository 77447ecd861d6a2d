-- Reads tasks, N in one call, each as of one moment.
--
-- ARGV  prefix; then for each task: id, after (the last seq that the reader has; -1 to read the record instead), the
--       reader: an owner, or '' who may read all
-- reply for each task: nil when it is not known, or another owner's; the updates after that seq as {seq, dropped, status, {update, …}};
--       or the record as {life left (ms), latest update or '', field, value, …}

-- include history
local prefix = ARGV[1]

local function updates_after(record, history, after)
  local seq, status, submitted_at, eta = unpack(redis.call('HMGET', record, 'seq', 'status', 'submitted_at', 'eta'))
  if not seq then return false end
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

local replies = {}
for at = 2, #ARGV, 3 do
  local id, after, reader = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  local record, history = prefix .. 'task:' .. id, prefix .. 'history:' .. id
  local reply = false
  if reader == '' or redis.call('HGET', record, 'owner') == reader then
    reply = after < 0 and whole(record, history) or after >= 0 and updates_after(record, history, after)
  end
  replies[#replies + 1] = reply
end
return replies
