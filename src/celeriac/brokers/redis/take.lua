-- Take messages from the heads of lists into a node's record, under the node's lease.
--
-- KEYS 1 leases (sorted set)  2 the node's in-flight hash  3 the counter of executions
--      4… lists, the most urgent first
-- ARGV 1 incarnation  2 lease in milliseconds  3 how many at most  4 the number of the first receipt
--      5 length of the prefix of keys  6 about how many bytes at most
--      7… for each list its level; lists of one level share alike
-- Result: { now in milliseconds, 1 if the lease had ended (it begins anew) else 0, the first execution's number,
--           then for each list: what it gave, and whether it is empty now: { element… } or an error's text, 0 or 1 }
--
-- A list that is found empty is read once more: so the server tells a connection with client tracking of the next push.
-- Nothing that could fail is done between taking and recording, and a key that is no list spoils nothing.
-- A list first gives a few messages, and then as many as there is room for if the others are of that size: tens of
-- megabytes that are handled at once cost the server several times what they cost one by one.

-- include server_time

-- Messages of a list that are taken before their size is known.
local FEW = 4

local function record(receipts)
  local first = 1
  while first <= #receipts do
    local last = math.min(first + 1999, #receipts)
    redis.call('HSET', KEYS[2], unpack(receipts, first, last))
    first = last + 1
  end
end

local microseconds, now = server_time()
local missing = tonumber(ARGV[3])
local serial = tonumber(ARGV[4])
local skipped = tonumber(ARGV[5]) + 1
local room = tonumber(ARGV[6])

local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
local has_lapsed = (not lease or tonumber(lease) < now) and 1 or 0
if has_lapsed == 1 then
  -- A server that is full refuses whatever needs memory, unless something else has been written before.
  redis.call('ZREM', KEYS[1], '')
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
end

local given = {}
local is_empty = {}
local count = 0

local function pop(number, wanted)
  local so_far = given[number]
  local some = math.min(wanted, FEW)
  while some > 0 do
    local found = redis.pcall('RPOP', KEYS[number], some)
    if found and found.err then
      given[number] = found.err
      is_empty[number] = 1
      return
    end
    local size = found and #found or 0
    local bytes = 0
    for position = 1, size do
      so_far[#so_far + 1] = found[position]
      bytes = bytes + #found[position]
    end
    count = count + size
    missing = missing - size
    room = room - bytes
    if size < some then
      is_empty[number] = 1
      return
    end
    wanted = wanted - size
    some = math.min(wanted, math.floor(room * size / math.max(bytes, 1)))
  end
end

local number = 4
while number <= #KEYS do
  local level = ARGV[number + 3]
  local last = number
  while last < #KEYS and ARGV[last + 4] == level do
    last = last + 1
  end
  local share = math.max(1, math.floor(missing / (last - number + 1)))
  for each = number, last do
    given[each] = {}
    is_empty[each] = 0
    if missing > 0 and room > 0 then
      pop(each, math.min(share, missing))
    end
  end
  for each = number, last do
    if missing > 0 and room > 0 and is_empty[each] == 0 then
      pop(each, missing)
    end
  end
  number = last + 1
end

local execution = 0
if count > 0 then
  execution = math.max(tonumber(redis.call('GET', KEYS[3]) or 0) + 1, microseconds)
  redis.call('SET', KEYS[3], string.format('%.0f', execution + count - 1))
end

local result = { now, has_lapsed, execution }
local receipts = {}
for each = 4, #KEYS do
  local elements = given[each]
  if type(elements) == 'table' then
    local name = ':' .. string.sub(KEYS[each], skipped)
    for _, element in ipairs(elements) do
      receipts[#receipts + 1] = string.format('%.0f', serial) .. name
      receipts[#receipts + 1] = element
      serial = serial + 1
    end
    if is_empty[each] == 1 then
      redis.call('EXISTS', KEYS[each])
    end
  end
  result[#result + 1] = elements
  result[#result + 1] = is_empty[each]
end
record(receipts)
return result
