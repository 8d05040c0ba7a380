-- Count a queue's messages.
--
-- KEYS 1 leases (sorted set)  2 delayed messages (sorted set)  3… the queue's lists
-- ARGV 1 and 2 what the keys of incarnations begin with and end on  3… the names of the queue's lists
-- Result: { ready, delayed, in flight }; a delayed message that is due counts as ready
--
-- The keys of the nodes' records are made here, as only the sorted set knows their incarnations.

-- include server_time

local _, now = server_time()
local ready = redis.call('ZCOUNT', KEYS[2], '-inf', now)
local delayed = redis.call('ZCARD', KEYS[2]) - ready
for number = 3, #KEYS do
  ready = ready + redis.call('LLEN', KEYS[number])
end
local is_asked = {}
for number = 3, #ARGV do
  is_asked[ARGV[number]] = true
end
local in_flight = 0
for _, incarnation in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  for _, receipt in ipairs(redis.call('HKEYS', ARGV[1] .. 'inflight.' .. incarnation .. ARGV[2])) do
    if is_asked[string.match(receipt, ':(.*)$')] then
      in_flight = in_flight + 1
    end
  end
end
return { ready, delayed, in_flight }
