-- Note that pending runs are published.
--
-- KEYS 1 pending runs (sorted set)  2 their contents (hash)
-- ARGV 1 what entries' keys begin with  2 what histories' keys begin with  3… the runs' ids
-- Result: how many of them were pending
--
-- The forms of what is read here are in claim.lua. An entry may have been removed meanwhile, or be another one of its
-- name; then its history knows nothing of the run.

-- include server_time

local published_at = string.format('%.6f', server_time() / 1000000)
local count = 0
for position = 3, #ARGV do
  local id = ARGV[position]
  local content = redis.call('HGET', KEYS[2], id)
  if content then
    local number, length, rest = string.match(content, '^(%d+):[^:]*:[^:]*:(%d+):(.*)$')
    local name = string.sub(rest, 1, tonumber(length))
    local line = redis.call('HGET', ARGV[2] .. name, number)
    if line then
      local due, end_of_line, run_id = string.match(line, '^([^:]*):[^:]*:([^:]*:[^:]*):(.*)$')
      if run_id == id then
        line = table.concat({due, published_at, end_of_line, id}, ':')
        redis.call('HSET', ARGV[2] .. name, number, line)
        if redis.call('HGET', ARGV[1] .. name, 'last_run_id') == id then
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
