-- Lead for a while, if nobody else does.
--
-- KEYS 1 who leads: the moment since when in seconds, colon, name; gone when the time is over
-- ARGV 1 name  2 milliseconds; 0: step down
-- Result: 1 if this one leads, 0 if not

-- include server_time

local leader = redis.call('GET', KEYS[1])
if leader and string.match(leader, ':(.*)$') ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], string.format('%.6f', server_time() / 1000000) .. ':' .. ARGV[1], 'PX', ARGV[2])
return 1
