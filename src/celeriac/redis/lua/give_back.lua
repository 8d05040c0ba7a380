-- Defines give_back(in_flight, prefix, limit, returned) -> how many went back, how many are left.
--
-- Puts up to `limit` messages of a node's record back at the heads of their lists, where the first taken is the first
-- again, also when it takes several calls. `in_flight` is the record's key, `prefix` what comes before a list's name.
-- `returned`, if given, is the key of the hash that keeps what was put back, for a settlement that comes late.
-- Needs mark_redelivered.

local function give_back(in_flight, prefix, limit, returned)
  local receipts = redis.call('HKEYS', in_flight)
  local number = {}
  for _, receipt in ipairs(receipts) do
    number[receipt] = tonumber(string.match(receipt, '^%d+'))
  end
  table.sort(receipts, function(one, other) return number[one] > number[other] end)
  local count = math.min(limit, #receipts)
  for position = 1, count do
    local receipt = receipts[position]
    local element = mark_redelivered(redis.call('HGET', in_flight, receipt))
    redis.call('RPUSH', prefix .. string.match(receipt, ':(.*)$'), element)
    if returned then
      redis.call('HSET', returned, receipt, element)
    end
    redis.call('HDEL', in_flight, receipt)
  end
  return count, #receipts - count
end
