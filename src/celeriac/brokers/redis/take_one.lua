-- Take one message from the head of a list into a node's record, while the node holds its lease.
--
-- KEYS 1 leases (sorted set)  2 the node's in-flight hash  3 the counter of executions  4 the list
-- ARGV 1 incarnation  2 the message's receipt
-- Result: as take.lua's for one list: { now in milliseconds, 1 if the lease had ended else 0, the execution's number,
--         what the list gave, whether it is empty now: { element } or an error's text, 0 or 1 }
--
-- It is sent ahead and done when a message comes (parked_take.py), so the node may have gone silent since. A lease that
-- has ended is not begun anew, and nothing is taken.

-- include server_time

local microseconds, now = server_time()
local lease = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease or tonumber(lease) < now then
  return { now, 1, 0, {}, 0 }
end
local element = redis.pcall('RPOP', KEYS[4])
if not element then
  return { now, 0, 0, {}, 1 }
end
if type(element) == 'table' then
  return { now, 0, 0, element.err, 1 }
end
local execution = math.max(tonumber(redis.call('GET', KEYS[3]) or 0) + 1, microseconds)
redis.call('SET', KEYS[3], string.format('%.0f', execution))
redis.call('HSET', KEYS[2], ARGV[2], element)
return { now, 0, execution, { element }, 1 - redis.call('EXISTS', KEYS[4]) }
