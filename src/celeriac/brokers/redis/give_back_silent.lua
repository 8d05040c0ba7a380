-- Give the messages of nodes whose leases have ended back to their lists, whoever asks.
--
-- KEYS 1 leases (sorted set)
-- ARGV 1 how many messages at most  2 prefix of the lists' keys  3 and 4 what the keys of incarnations begin with and
--      end on  5 seconds that a late settlement is waited for
-- Result: { how many went back, 1 if more are to be given back else 0 }
--
-- The keys of the other nodes' records are made here, as only the sorted set knows their incarnations.

-- include server_time
-- include mark_redelivered
-- include give_back

local _, now = server_time()
redis.call('ZREM', KEYS[1], '')
local limit = tonumber(ARGV[1])
local count = 0
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)) do
  local in_flight = ARGV[3] .. 'inflight.' .. silent .. ARGV[4]
  if redis.call('EXISTS', in_flight) == 1 then
    local returned = ARGV[3] .. 'returned.' .. silent .. ARGV[4]
    local moved, left = give_back(in_flight, ARGV[2], limit - count, returned)
    redis.call('EXPIRE', returned, ARGV[5])
    count = count + moved
    if left > 0 then
      return { count, 1 }
    end
  end
end
return { count, 0 }
