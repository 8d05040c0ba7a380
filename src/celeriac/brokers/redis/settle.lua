-- End deliveries, with their results and follow-ups, for those that nobody else has taken since.
--
-- KEYS 1 the node's in-flight hash  2 the hash of what others have put back of it  3 the memory of the last settlement
--      4 dead letters (sorted set)  5 their contents (hash)  6 their ids (sorted set)
-- ARGV 1 this settlement's number  2 prefix of the lists' keys  3 the results' database, or '' for the one we are in
--      4 our database; then for each delivery:
--      its receipt
--      how it ends: 'a' done, 'q' back to the head of its list, 'd' dead letter, 'n' as 'a', the next one comes among
--        the messages to publish
--      for 'd': the task's id, and the letter's head
--      how many messages to publish, and for each LPUSH or RPUSH (the list's tail or head), PUBLISH or ZADD, with a key
--        and the message; ZADD has the moment in milliseconds between them
--      '1' and the seven arguments of store_result, or '0' for no result
-- Result: the positions, from 0, of the refused, of which nothing was done
--
-- A delivery whose lease had ended counts as long as its message lies where it was put back: near the head of its list,
-- for nobody shall wait until a list of a million has been searched for what others have long taken. What is removed is
-- removed last: an error in between, which only a key of a foreign kind can cause, repeats messages and loses none.
-- The refused are kept for ten minutes, for a node that has lost the answer.

-- include server_time
-- include mark_redelivered
-- include store_result

local at = 4
local function next_argument()
  at = at + 1
  return ARGV[at]
end

local function skip(count)
  at = at + count
end

-- Returns whether the delivery counts, and its message if it was put back and is still there.
local function claim(receipt)
  if redis.call('HEXISTS', KEYS[1], receipt) == 1 then
    return true
  end
  local element = redis.call('HGET', KEYS[2], receipt)
  if not element then
    return false
  end
  redis.call('HDEL', KEYS[2], receipt)
  local list = ARGV[2] .. string.match(receipt, ':(.*)$')
  if not redis.call('LPOS', list, element, 'RANK', -1, 'MAXLEN', 10000) then
    return false
  end
  return redis.call('LREM', list, -1, element) == 1, element
end

local function publish()
  for _ = 1, tonumber(next_argument()) do
    local verb = next_argument()
    local size = verb == 'ZADD' and 3 or 2
    redis.call(verb, unpack(ARGV, at + 1, at + size))
    skip(size)
  end
end

local function pass_over_publish()
  for _ = 1, tonumber(next_argument()) do
    skip(next_argument() == 'ZADD' and 3 or 2)
  end
end

local function bury(task_id, head, element)
  local _, now = server_time()
  local number = tonumber(redis.call('ZREVRANGE', KEYS[4], 0, 0)[1] or 0) + 1
  redis.call('HSET', KEYS[5], number, string.format('%.0f', now) .. ':' .. #head .. ':' .. head .. element)
  redis.call('ZADD', KEYS[4], number, number)
  redis.call('ZADD', KEYS[6], 0, task_id .. '\0' .. number)
end

-- Writing anything first lets the rest through on a server that is full.
redis.call('HDEL', KEYS[1], '')

local refused = {}
local ended = {}
local results = {}
local position = 0
while at < #ARGV do
  local receipt = next_argument()
  local outcome = next_argument()
  local is_ours, element = claim(receipt)
  if is_ours and outcome ~= 'a' and outcome ~= 'n' then
    element = element or redis.call('HGET', KEYS[1], receipt)
  end
  if outcome == 'd' then
    if is_ours then
      bury(ARGV[at + 1], ARGV[at + 2], element)
    end
    skip(2)
  elseif outcome == 'q' and is_ours then
    redis.call('RPUSH', ARGV[2] .. string.match(receipt, ':(.*)$'), mark_redelivered(element))
  end
  if is_ours then
    publish()
    ended[#ended + 1] = receipt
  else
    pass_over_publish()
    refused[#refused + 1] = position
  end
  if next_argument() == '1' then
    if is_ours then
      results[#results + 1] = at + 1
    end
    skip(7)
  end
  position = position + 1
end

if #results > 0 then
  if ARGV[3] ~= '' then
    redis.call('SELECT', ARGV[3])
  end
  for _, first in ipairs(results) do
    store_result(unpack(ARGV, first, first + 6))
  end
  if ARGV[3] ~= '' then
    redis.call('SELECT', ARGV[4])
  end
end
for first = 1, #ended, 4000 do
  redis.call('HDEL', KEYS[1], unpack(ended, first, math.min(first + 3999, #ended)))
end
redis.call('SETEX', KEYS[3], 600, ARGV[1] .. ':' .. table.concat(refused, ','))
return refused
