-- Give back what a node has not settled; when nothing is left the node is no node any more.
--
-- KEYS 1 leases (sorted set)  2 the node's hash  3 in-flight  4 returned  5 settled
-- ARGV 1 incarnation  2 how many messages at most  3 prefix of the lists' keys
-- Result: 1 if more are to be given back, else 0

-- include mark_redelivered
-- include give_back

redis.call('ZREM', KEYS[1], '')
local _, left = give_back(KEYS[3], ARGV[3], tonumber(ARGV[2]))
if left > 0 then
  return 1
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[4], KEYS[5])
return 0
