-- Record one finished part of a chord's header.
--
-- KEYS[1]    the chord's hash: index -> document, and 'completed_by' -> the index that completed it
-- ARGV[1]    the part's index
-- ARGV[2]    how many parts the chord has
-- ARGV[3]    the part's document; a part told twice keeps its first
-- ARGV[4]    milliseconds to keep the hash, from its first part on; "": for ever
-- Returns    how many parts have come in; for the part that completed the chord, as often as it is told, followed by
--            indexes and documents of all in turn
--
local chord, index, size = KEYS[1], ARGV[1], tonumber(ARGV[2])
local is_new = redis.call('EXISTS', chord) == 0
redis.call('HSETNX', chord, index, ARGV[3])
if is_new and ARGV[4] ~= '' then
    redis.call('PEXPIRE', chord, ARGV[4])
end
local completed_by = redis.call('HGET', chord, 'completed_by')
local count = redis.call('HLEN', chord)
if completed_by then
    count = count - 1
elseif count >= size then
    redis.call('HSET', chord, 'completed_by', index)
    completed_by = index
end
if completed_by ~= index then
    return {count}
end
local answer = {count}
local fields = redis.call('HGETALL', chord)
for position = 1, #fields, 2 do
    if fields[position] ~= 'completed_by' then
        answer[#answer + 1] = fields[position]
        answer[#answer + 1] = fields[position + 1]
    end
end
return answer
