-- For scripts that include it: `feed` adds an update to the live feed, with what tells whom it concerns, and `trim`,
-- once they are all there, drops those beyond the cap.
-- An entry has i task, s seq, u update, and where they are known t name, q queue, b batch, o owner, g tags. It may be of
-- several tasks to which the same has happened: then it has I in the place of i, all of them with a space between. Ids
-- of other producers may have spaces in them, so those stand alone.

local ONE, SEVERAL = 'i', 'I'
local FED = { task = 't', queue = 'q', batch = 'b', owner = 'o', tags = 'g' }

-- Whom a task concerns, by its record.
local function concerned(record)
  local fields, told = { 'task', 'queue', 'batch', 'owner', 'tags' }, {}
  for at, value in ipairs(redis.call('HMGET', record, unpack(fields))) do
    if value then
      told[#told + 1] = FED[fields[at]]
      told[#told + 1] = value
    end
  end
  return told
end

-- `of` is ONE or SEVERAL.
local function feed(live, of, ids, seq, update, told)
  redis.call('XADD', live, '*', of, ids, 's', seq, 'u', update, unpack(told))
end

local function trim(live, limit)
  redis.call('XTRIM', live, 'MAXLEN', '~', limit)
end
