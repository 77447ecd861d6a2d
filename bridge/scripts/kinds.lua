-- For `accept.lua`, which says how they stand in ARGV: the kinds of tasks in a call, that is what many of them have in
-- common, and the message that the template of a kind makes. It needs `feed` and `history`.

local NOW, PLANNED = '0', '-1'

local function value_of(fields, name)
  for at = 1, #fields, 2 do
    if fields[at] == name then return fields[at + 1] end
  end
end

-- Whom tasks of a kind concern: `concerned` would ask Redis for it.
local function concerned_by(fields)
  local told = {}
  for at = 1, #fields, 2 do
    if FED[fields[at]] then
      told[#told + 1] = FED[fields[at]]
      told[#told + 1] = fields[at + 1]
    end
  end
  return told
end

local function kind_of(at, more, last, list_of, now, ttl)
  local queue, number, due, first, second, task, queue_name, at_ms, gaps = unpack(ARGV, at, at + 8)
  queue = tonumber(queue)
  local fields = { 'task', task, 'queue', queue_name, 'submitted_at', at_ms, unpack(ARGV, more, last) }
  local function has(...)
    for _, part in ipairs({ ... }) do fields[#fields + 1] = part end
  end
  local kind = {
    queue = queue, list = list_of(queue, tonumber(number)), due = due, first = first, second = second, at_ms = at_ms,
    fields = fields, told = concerned_by(fields), owner = value_of(fields, 'owner'), life = ttl, fed = {},
    is_recorded = task ~= '', gaps = {}, values = 0, parts = { ARGV[at + 9] },
  }
  for gap = 1, #gaps do
    local letter = string.sub(gaps, gap, gap)
    kind.gaps[gap], kind.parts[2 * gap], kind.parts[2 * gap + 1] = letter, '', ARGV[at + 9 + gap]
    if letter == 'V' then kind.values = kind.values + 1 end
  end
  if second == '' then has('seq', 1, 'status', 'submitted')
  else
    kind.history = first_update(at_ms, value_of(fields, 'eta'))
    has('seq', 2, 'status', 'scheduled')
  end
  if due ~= NOW and due ~= PLANNED then
    has('list', kind.list)
    kind.life = math.ceil(ttl + (due - now) / 1000) -- its first news comes after its time
  end
  return kind
end

-- All kinds, which stand in ARGV from `at` on, and the place behind them. `list_of` gives the key of a list by the numbers
-- of its queue and of itself; `ttl` is the life of a record (s).
local function read_kinds(at, list_of, now, ttl)
  local kinds = {}
  for which = 1, ARGV[at] do
    local count_at = at + 11 + #ARGV[at + 9]
    local last = count_at + ARGV[count_at]
    kinds[which] = kind_of(at + 1, count_at + 1, last, list_of, now, ttl)
    at = last
  end
  return kinds, at + 1
end

-- The template of a kind, filled for one task; its values stand in ARGV from `at` on.
local function message_of(kind, id, tag, at)
  local gaps, parts = kind.gaps, kind.parts
  for gap = 1, #gaps do
    local letter = gaps[gap]
    if letter == 'I' then parts[2 * gap] = id
    elseif letter == 'T' then parts[2 * gap] = tag
    else
      parts[2 * gap] = ARGV[at]
      at = at + 1
    end
  end
  return table.concat(parts)
end
