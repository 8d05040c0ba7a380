-- Put dead letters back on their queues, or drop them.
--
-- KEYS 1 dead letters (sorted set)  2 their contents (hash)  3 their ids (sorted set)
-- ARGV four for each letter: its number, the task's id, the list to put it on ('' to drop it), the element
-- Result: how many were there

local count = 0
for at = 1, #ARGV, 4 do
  if redis.call('ZSCORE', KEYS[1], ARGV[at]) then
    if ARGV[at + 2] ~= '' then
      redis.call('LPUSH', ARGV[at + 2], ARGV[at + 3])
    end
    redis.call('ZREM', KEYS[1], ARGV[at])
    redis.call('HDEL', KEYS[2], ARGV[at])
    redis.call('ZREM', KEYS[3], ARGV[at + 1] .. '\0' .. ARGV[at])
    count = count + 1
  end
end
return count
