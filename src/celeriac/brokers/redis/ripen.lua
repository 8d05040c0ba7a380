-- Move messages whose moment has come to the tails of their lists.
--
-- KEYS in pairs: a queue's delayed messages (sorted set), and its list for the most urgent
-- ARGV 1 how many at most of each queue  2 the separator between a list's name and its step
-- Result: for each pair how many were moved, and the moment in milliseconds of the next one, as text, or false
--
-- The set is read once more: so the server tells a connection with client tracking of the next change.

-- include server_time

local _, now = server_time()
local result = {}
for number = 1, #KEYS, 2 do
  local due = redis.call('ZRANGEBYSCORE', KEYS[number], '-inf', now, 'LIMIT', 0, ARGV[1])
  for _, member in ipairs(due) do
    local step, element = string.match(member, '^%d+:(%d+):(.*)$')
    local list = step == '0' and KEYS[number + 1] or KEYS[number + 1] .. ARGV[2] .. step
    redis.call('LPUSH', list, element)
    redis.call('ZREM', KEYS[number], member)
  end
  local next = redis.call('ZRANGE', KEYS[number], 0, 0, 'WITHSCORES')
  result[#result + 1] = #due
  result[#result + 1] = next[2] or false
end
return result
