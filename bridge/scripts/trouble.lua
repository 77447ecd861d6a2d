-- For scripts that include it: `trouble` tells what is wrong with one task's keys from what is wrong with the server.

local TROUBLES = { 'OOM', 'READONLY', 'MISCONF', 'NOREPLICAS' } -- of the server, whatever the task

-- What `pcall` caught, as a text, and as an error reply when it is one of the server.
local function trouble(caught)
  local said = type(caught) == 'table' and caught.err or tostring(caught)
  for _, name in ipairs(TROUBLES) do
    local error = string.match(said, name .. ' .*')
    if error then return said, redis.error_reply(error) end
  end
  return said
end
