-- Read documents that do not say themselves what they are, each with its label, as they are at one moment.
--
-- KEYS       one key a result, then as many of their labels
-- Returns    five values a result: the document or nil, state, execution, content_type and encoding or nil
--
local found = {}
local count = #KEYS / 2
for position = 1, count do
    found[#found + 1] = redis.call('GET', KEYS[position])
    for _, value in ipairs(redis.call('HMGET', KEYS[count + position], 'state', 'execution', 'content_type', 'encoding')) do
        found[#found + 1] = value
    end
end
return found
