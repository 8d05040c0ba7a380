-- Look at what is due.
--
-- KEYS 1 how often entries were changed  2 the agenda (sorted set: moment to look, name)
-- ARGV 1 what entries' keys begin with  2 how many at the most  3 the moment in seconds, or '' for now
--      then the fields of an entry that are wanted
-- Result: the moment, how often entries were changed, when there is more to do ('' if nothing is planned), and for each
--   entry its fields

-- include server_time

local moment = ARGV[3]
if moment == '' then
  moment = string.format('%.6f', server_time() / 1000000)
end
local limit = tonumber(ARGV[2])
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', moment, 'WITHSCORES', 'LIMIT', 0, limit + 1)
local more = found[2 * limit + 2]
if not more then
  more = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. moment, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or ''
end
local result = {moment, redis.call('GET', KEYS[1]) or '0', more}
for position = 1, math.min(#found, 2 * limit), 2 do
  result[#result + 1] = redis.call('HMGET', ARGV[1] .. found[position], unpack(ARGV, 4))
end
return result
