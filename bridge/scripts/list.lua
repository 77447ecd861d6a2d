-- Finds tasks, the newest first: a page of their ids.
--
-- KEYS  index
-- ARGV  prefix, id and time (ms) of the last task that was looked at ('' and 0 for none), how many to find, how many to
--       look at, submitted from and before (ms), what their records must say (JSON: field to a list of which it has one;
--       of `tags` it has all)
-- reply {id and time of the last task that was looked at ('' and 0 when there are no more), id, …}
--
-- The index has tasks that are gone as well; they are passed over.

local index = KEYS[1]
local prefix, last_id, last_time, count, depth, from, before, wanted = unpack(ARGV)
count, depth, from = tonumber(count), tonumber(depth), tonumber(from)
wanted = cjson.decode(wanted)
local CHUNK = 200
local FIELDS = { 'status', 'task', 'queue', 'batch', 'owner' }

local allowed = {}
for _, field in ipairs(FIELDS) do
  if wanted[field] then
    allowed[field] = {}
    for _, value in ipairs(wanted[field]) do allowed[field][value] = true end
  end
end

local function has_all(tags)
  local there = {}
  for _, tag in ipairs(cjson.decode(tags or '[]')) do there[tag] = true end
  for _, tag in ipairs(wanted.tags) do
    if not there[tag] then return false end
  end
  return true
end

local function fits(id)
  local values = redis.call('HMGET', prefix .. 'task:' .. id, 'tags', unpack(FIELDS))
  if not values[2] then return false end -- it has no status, so it is gone
  for at, field in ipairs(FIELDS) do
    if allowed[field] and not allowed[field][values[at + 1] or ''] then return false end
  end
  return not wanted.tags or has_all(values[1])
end

-- Whether the index has a before b among tasks of one time, from the newest on. Lua's own comparison follows the locale.
local function stands_before(a, b)
  for place = 1, math.min(#a, #b) do
    local left, right = a:byte(place), b:byte(place)
    if left ~= right then return left > right end
  end
  return #a > #b
end

-- How many stand before the first that is to be looked at. The last one looked at may have left the index.
local function start()
  if last_id == '' then return redis.call('ZCOUNT', index, before, '+inf') end
  local low, high = redis.call('ZCOUNT', index, '(' .. last_time, '+inf'), redis.call('ZCOUNT', index, last_time, '+inf')
  while low < high do
    local middle = math.floor((low + high) / 2)
    if stands_before(last_id, redis.call('ZREVRANGE', index, middle, middle)[1]) then high = middle
    else low = middle + 1 end
  end
  return low
end

local reply, at = { '', 0 }, start()
while depth > 0 do
  local chunk = redis.call('ZREVRANGE', index, at, at + math.min(CHUNK, depth) - 1, 'WITHSCORES')
  for pair = 1, #chunk, 2 do
    local id, time = chunk[pair], tonumber(chunk[pair + 1])
    if time < from then return { '', 0, unpack(reply, 3) } end
    if fits(id) then reply[#reply + 1] = id end
    reply[1], reply[2] = id, time
    if #reply == count + 2 then return reply end
  end
  if #chunk < 2 * math.min(CHUNK, depth) then return { '', 0, unpack(reply, 3) } end
  at, depth = at + CHUNK, depth - CHUNK
end
return reply
