-- Keep a batch of results.
--
-- KEYS       one key a result (see store_result)
-- ARGV       six texts a result: document, execution, state, lifetime, content_type, encoding
-- Returns    the positions, from 1, of those refused
--
-- include store_result
local refused = {}
for position, key in ipairs(KEYS) do
    local at = 6 * position - 5
    if store_result(key, ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]) == 0 then
        refused[#refused + 1] = position
    end
end
return refused
