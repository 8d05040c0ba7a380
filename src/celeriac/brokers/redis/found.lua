-- Number messages again that a node has taken without ever hearing of it, because the answer was lost.
--
-- KEYS 1 the node's in-flight hash  2 the counter of executions
-- ARGV their receipts
-- Result: { the first execution's number, then each element or false }

-- include server_time

local microseconds = server_time()
local execution = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, microseconds)
redis.call('HDEL', KEYS[1], '')
redis.call('SET', KEYS[2], string.format('%.0f', execution + #ARGV - 1))
local result = { execution }
for _, receipt in ipairs(ARGV) do
  result[#result + 1] = redis.call('HGET', KEYS[1], receipt)
end
return result
