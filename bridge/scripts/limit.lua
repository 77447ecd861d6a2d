-- Lets requests pass, for many callers in one call. Each has a bucket of tokens that fills evenly; a request takes one.
--
-- KEYS  the bucket of each caller
-- ARGV  time in which one token comes (us), tokens that a full bucket has, then for each caller: how many it asks for
-- reply for each caller: {how many it gets, how many are left, time until its bucket is full (us), time until there is
--       another token (us)}
--
-- A bucket is kept as the time at which it will be full (the "theoretical arrival time" of GCRA), by the server's clock,
-- so that all API processes agree. A full bucket needs no key.

local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local replies = {}

for number, bucket in ipairs(KEYS) do
  local asked = tonumber(ARGV[2 + number])
  local full_at = math.max(tonumber(redis.call('GET', bucket) or 0), now)
  -- Half a microsecond, so that a whole token is not missed by what rounding takes away.
  local there = math.max(0, math.floor(burst - (full_at - now - 0.5) / interval))
  local taken = math.min(asked, there, burst)
  if taken > 0 then
    full_at = full_at + taken * interval
    local life = math.ceil((full_at - now) / 1000)
    redis.call('SET', bucket, full_at, 'PX', life)
  end
  local until_full = full_at - now
  local left = math.min(there, burst) - taken
  local until_next = left > 0 and 0 or math.max(0, until_full - (burst - 1) * interval)
  replies[number] = { taken, left, math.ceil(until_full), math.ceil(until_next) }
end
return replies
