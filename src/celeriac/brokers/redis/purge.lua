-- Drop a queue's waiting messages.
--
-- KEYS 1 delayed messages (sorted set)  2… the queue's lists
-- Result: how many

local count = redis.call('ZCARD', KEYS[1])
for number = 2, #KEYS do
  count = count + redis.call('LLEN', KEYS[number])
end
redis.call('UNLINK', unpack(KEYS))
return count
