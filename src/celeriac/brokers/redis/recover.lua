-- Give the messages of nodes whose leases have ended back to their lists.
--
-- KEYS 1 leases (sorted set)
-- ARGV 1 incarnation of who asks  2 since when it has held its own lease without a break (milliseconds)
--      3 its lease in milliseconds  4 how many messages at most  5 prefix of the lists' keys
--      6 and 7 what the keys of incarnations begin with and end on
--      8 seconds that a late settlement is waited for  9 milliseconds after which a silent node is forgotten
-- Result: { how many went back, 1 if more are to be given back else 0 }, or { -1, 0 } if who asks may not judge others
--
-- The keys of the other nodes' records are made here, as only the sorted set knows their incarnations.

-- include server_time
-- include mark_redelivered
-- include give_back

local _, now = server_time()
local lease = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if lease < now or now - tonumber(ARGV[2]) < tonumber(ARGV[3]) then
  return { -1, 0 }
end
redis.call('ZREM', KEYS[1], '')
local limit = tonumber(ARGV[4])
local count = 0
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)) do
  local in_flight = ARGV[6] .. 'inflight.' .. silent .. ARGV[7]
  if redis.call('EXISTS', in_flight) == 1 then
    if count >= limit then
      return { count, 1 }
    end
    local returned = ARGV[6] .. 'returned.' .. silent .. ARGV[7]
    local moved, left = give_back(in_flight, ARGV[5], limit - count, returned)
    redis.call('EXPIRE', returned, ARGV[8])
    count = count + moved
    if left > 0 then
      return { count, 1 }
    end
  end
end
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[9]))) do
  redis.call('ZREM', KEYS[1], silent)
  redis.call('DEL', ARGV[6] .. 'node.' .. silent .. ARGV[7])
end
return { count, 0 }
