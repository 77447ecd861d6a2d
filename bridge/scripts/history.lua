-- For scripts that include it: `begin_history` writes the first two updates of a task. As long as there is one alone it
-- is the field `first` of the record, which takes a third of the work of a list and much less memory.

local function begin_history(history, first, second)
  local length = redis.call('RPUSH', history, first, second)
  if length > 2 then redis.call('LTRIM', history, -2, -1) end -- what is left of a record that has gone
end
