-- Renew a node's lease, and write down what the node says of itself.
--
-- KEYS 1 leases (sorted set)  2 the node's hash  3 the node's in-flight hash
-- ARGV 1 incarnation  2 lease in milliseconds  3 the node's name  4 its status
-- Result: { now in milliseconds, 1 if the lease had not ended else 0, how many messages its record holds }

-- include server_time

local _, now = server_time()
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
-- A server that is full refuses whatever needs memory, unless something else has been written before.
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[2], 'name', ARGV[3], 'status', ARGV[4])
return { now, (lease and tonumber(lease) >= now) and 1 or 0, redis.call('HLEN', KEYS[3]) }
