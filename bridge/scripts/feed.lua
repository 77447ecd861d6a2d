-- For scripts that include it: `feed` adds an update to the live feed, with what tells whom it concerns.
-- An entry has i task, s seq, u update, and where they are known t name, q queue, b batch, o owner, g tags.

local function feed(live, limit, record, id, seq, update)
  local entry = { 'i', id, 's', seq, 'u', update }
  local names = { 't', 'q', 'b', 'o', 'g' }
  for at, value in ipairs(redis.call('HMGET', record, 'task', 'queue', 'batch', 'owner', 'tags')) do
    if value then
      entry[#entry + 1] = names[at]
      entry[#entry + 1] = value
    end
  end
  redis.call('XADD', live, 'MAXLEN', '~', limit, '*', unpack(entry))
end
