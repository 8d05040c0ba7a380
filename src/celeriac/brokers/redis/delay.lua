-- Move messages that a node has just taken, and that are not due yet, to where the delayed ones wait.
--
-- KEYS 1 the node's in-flight hash  2… the delayed messages (sorted set) of each message's queue
-- ARGV three for each message: its receipt, its step, its moment in milliseconds
-- Result: for each message 1 if it was moved or is gone; 0 if it is due by the server's clock, and stays with the node

-- include server_time

local microseconds, now = server_time()
local result = {}
redis.call('HDEL', KEYS[1], '')
for number = 2, #KEYS do
  local at = (number - 2) * 3
  local receipt, step, moment = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local element = redis.call('HGET', KEYS[1], receipt)
  result[#result + 1] = 1
  if element and tonumber(moment) <= now then
    result[#result] = 0
  elseif element then
    local member = string.format('%016.0f', microseconds + number) .. ':' .. step .. ':' .. element
    redis.call('ZADD', KEYS[number], moment, member)
    redis.call('HDEL', KEYS[1], receipt)
  end
end
return result
