-- Publishes a command of remote control, with its binding in place for the answers.
--
-- KEYS  bindings of the reply exchange, deadlines of binding tables
-- ARGV  the call's binding, the reply exchange, life of its table (ms), channel, command
-- reply how many subscribers heard it; where the bindings are no set, what they are, and nothing is done
--
-- Kombu 5.7 deletes a table of bindings whose deadline has passed. Where it has set one, that is put off as Kombu's own
-- clients put it off, by the server's clock, or a sweep between the command and the answers would lose them.

local bindings, deadlines = KEYS[1], KEYS[2]
local binding, exchange, life_ms, channel, command = unpack(ARGV)

local kind = redis.call('TYPE', bindings)['ok']
if kind ~= 'set' and kind ~= 'none' then
  return kind
end
redis.call('SADD', bindings, binding)
local now = redis.call('TIME')
redis.call('ZADD', deadlines, 'XX', 'GT', now[1] * 1000 + life_ms, exchange)
return redis.call('PUBLISH', channel, command)
