-- Store results and publish messages: nobody takes a message whose result is not there yet.
--
-- ARGV 1 the results' database, or '' for the one we are in  2 our database  3 how many results
--      then for each result the seven arguments of store_result
--      then for each message LPUSH, list, message; PUBLISH, channel, message; or ZADD, sorted set, moment in
--        milliseconds, message
-- Result: how many messages were published
--
-- A server that is full refuses the first of these writes, and so all of them.

-- include store_result

local at = 3
local is_elsewhere = ARGV[1] ~= ''
if is_elsewhere then
  redis.call('SELECT', ARGV[1])
end
for _ = 1, tonumber(ARGV[3]) do
  store_result(unpack(ARGV, at + 1, at + 7))
  at = at + 7
end
if is_elsewhere then
  redis.call('SELECT', ARGV[2])
end
local count = 0
while at < #ARGV do
  local size = ARGV[at + 1] == 'ZADD' and 4 or 3
  redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size
  count = count + 1
end
return count
