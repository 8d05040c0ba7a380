-- Say which deliveries nobody else has taken since.
--
-- KEYS 1 the node's in-flight hash  2 the hash of what others have put back of it
-- ARGV 1 prefix of the lists' keys  2… receipts
-- Result: for each 1 if it counts still, else 0; what was put back lies near the head of its list (settle.lua)

local result = {}
for number = 2, #ARGV do
  local receipt = ARGV[number]
  result[number - 1] = redis.call('HEXISTS', KEYS[1], receipt)
  if result[number - 1] == 0 then
    local element = redis.call('HGET', KEYS[2], receipt)
    local list = ARGV[1] .. string.match(receipt, ':(.*)$')
    if element and redis.call('LPOS', list, element, 'RANK', -1, 'MAXLEN', 10000) then
      result[number - 1] = 1
    end
  end
end
return result
