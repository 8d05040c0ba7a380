-- Hold runs for one holder, but those that others hold or that have ended.
--
-- KEYS       one key a result (see store_result), then as many that say who holds the run
-- ARGV 1     the holder  2 milliseconds for which it holds them
-- Returns    for each: 1 it is the holder's, 2 another one's, 3 it has ended
--
-- Who holds a run is the value of its key, which expires; an empty one says that the run has ended.
--
-- include store_result
local count = #KEYS / 2
local answers = {}
for position = 1, count do
    local key, holding = KEYS[position], KEYS[count + position]
    local document, held_by = redis.call('GET', key), redis.call('GET', holding)
    local state = document and known_of(key, document)
    if held_by == '' or (state and final_states[state]) then
        answers[position] = 3
    elseif held_by and held_by ~= ARGV[1] then
        answers[position] = 2
    else
        redis.call('SET', holding, ARGV[1], 'PX', ARGV[2])
        answers[position] = 1
    end
end
return answers
