-- Ends a call of remote control: no worker answers it from now on.
--
-- KEYS  bindings of the reply exchange, list of the call's replies
-- ARGV  the call's binding, how long (ms) a reply may still be on its way: 0 when every worker has replied
--
-- A worker that read the bindings just before pushes its reply just after. So that this leaves no list for ever, one
-- with a time to live is put in its place. Where the bindings are no set, the call was refused, and has none to take out.

local bindings, replies = KEYS[1], KEYS[2]
local binding, late_ms = ARGV[1], tonumber(ARGV[2])

redis.pcall('SREM', bindings, binding)
redis.call('DEL', replies)
if late_ms > 0 then
  redis.call('RPUSH', replies, '')
  redis.call('PEXPIRE', replies, late_ms)
end
