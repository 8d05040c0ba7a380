-- Return runs that were claimed a while ago and may not have been published.
--
-- KEYS 1 pending runs (sorted set: microsecond of the claim, run id)  2 their contents (hash)
-- ARGV 1 for how many microseconds at the least  2 how many at the most
-- Result: for each its id and its content

-- include server_time

local before = string.format('%.0f', server_time() - tonumber(ARGV[1]))
local result = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before, 'LIMIT', 0, ARGV[2])) do
  result[#result + 1] = id
  result[#result + 1] = redis.call('HGET', KEYS[2], id)
end
return result
