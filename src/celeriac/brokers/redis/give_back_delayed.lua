-- Move delayed messages to the lists of their queue, for Celery's workers, who wait for the moment themselves.
--
-- KEYS 1 the queue's delayed messages (sorted set)  2… the queue's lists
-- ARGV three for each message: the member, which of the lists it belongs on (0 the first), the element to put there
-- Result: how many were moved; a member that has gone meanwhile is left out

local count = 0
for at = 1, #ARGV, 3 do
  if redis.call('ZREM', KEYS[1], ARGV[at]) == 1 then
    redis.call('LPUSH', KEYS[tonumber(ARGV[at + 1]) + 2], ARGV[at + 2])
    count = count + 1
  end
end
return count
