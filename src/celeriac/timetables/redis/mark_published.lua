-- Note that pending runs are published.
--
-- KEYS 1 pending runs (sorted set)  2 their contents (hash)
-- ARGV 1 what entries' keys begin with  2 what histories' keys begin with  3… the runs' ids
-- Result: how many of them were pending
--
-- The forms of what is read here are in claim.lua. An entry may have been removed meanwhile, or be another one of its
-- name; then its history knows nothing of the run.

-- include server_time

local published_at = string.format('%.3f', server_time() / 1000000)
local count = 0
for position = 3, #ARGV do
  local id = ARGV[position]
  local content = redis.call('HGET', KEYS[2], id)
  if content then
    local number, length, rest = string.match(content, '^(%d+):[^:]*:[^:]*:(%d+):(.*)$')
    local name = string.sub(rest, 1, tonumber(length))
    local entry = redis.call('HMGET', ARGV[1] .. name, 'runs', 'last_run_id')
    local place = tonumber(entry[1] or 0) - tonumber(number)
    local line = place >= 0 and redis.call('LINDEX', ARGV[2] .. name, place)
    if line then
      local head, reason, run_id = string.match(line, '^([^:]*:[^:]*):[^:]*:([^:]*):(.*)$')
      if run_id == id then
        redis.call('LSET', ARGV[2] .. name, place, table.concat({head, published_at, reason, id}, ':'))
        if entry[2] == id then
          redis.call('HSET', ARGV[1] .. name, 'last_published_at', published_at)
        end
      end
    end
    redis.call('HDEL', KEYS[2], id)
    count = count + 1
  end
  redis.call('ZREM', KEYS[1], id)
end
return count
