-- Hold runs no more.
--
-- KEYS       one a run: who holds it (see hold)
-- ARGV 1     the holder; what others hold stays theirs
--
for _, holding in ipairs(KEYS) do
    if redis.call('GET', holding) == ARGV[1] then
        redis.call('DEL', holding)
    end
end
