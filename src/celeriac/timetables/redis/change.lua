-- Change entries: each change of what runs when is counted, and the count is the generation of the entries it changed.
--
-- KEYS 1 how often entries were changed  2 their names (sorted set)  3 the agenda (sorted set: moment to look, name)
-- ARGV 1 what entries' keys begin with  2 what histories' keys begin with  3 what sources' keys begin with
--      4 how often they had been changed when the caller looked, or '' if that does not matter
--      then eight for each change: what to do, name, source, definition, digest, timing, enabled ('1' or '0'), moment;
--        'add' and 'retime' set them all; 'change' leaves the moment; 'remove' takes the name only; 'pause' name and
--        moment of its end ('inf': none); 'resume' name and next moment. A moment '' is none.
-- Result: how often they were changed now, and how many of those to change were there; -1 if somebody was faster
--
-- An entry is a hash: source, definition, digest, timing, enabled, generation, next_at, paused_until, and how far it has
-- come. What is not there is ''. A source is a hash: name, with digest, colon, timing.

local names, agenda = KEYS[2], KEYS[3]

-- base.moment_to_look, in Lua.
local function look_again(name)
  local entry = redis.call('HMGET', ARGV[1] .. name, 'enabled', 'next_at', 'paused_until')
  local moment, pause = entry[2], entry[3]
  if entry[1] ~= '1' or moment == '' or pause == 'inf' then
    redis.call('ZREM', agenda, name)
    return
  end
  if pause ~= '' and tonumber(pause) > tonumber(moment) then
    moment = pause
  end
  redis.call('ZADD', agenda, moment, name)
end

local function remove(name)
  local source = redis.call('HGET', ARGV[1] .. name, 'source')
  if source then
    redis.call('HDEL', ARGV[3] .. source, name)
  end
  redis.call('DEL', ARGV[1] .. name, ARGV[2] .. name)
  redis.call('ZREM', names, name)
  redis.call('ZREM', agenda, name)
end

local function set(name, ...)
  redis.call('HSET', ARGV[1] .. name, ...)
end

if ARGV[4] ~= '' and (redis.call('GET', KEYS[1]) or '0') ~= ARGV[4] then
  return {-1, 0}
end
local generation = redis.call('INCR', KEYS[1])
local found = 0
for at = 5, #ARGV, 8 do
  local action, name, source, definition, digest, timing, enabled, moment = unpack(ARGV, at, at + 7)
  local exists = redis.call('EXISTS', ARGV[1] .. name) == 1
  found = found + (exists and 1 or 0)
  if action == 'remove' then
    remove(name)
  elseif exists or action == 'add' then
    set(name, 'generation', generation)
    if action == 'pause' then
      set(name, 'paused_until', moment)
    elseif action == 'resume' then
      set(name, 'paused_until', '', 'next_at', moment)
    else
      set(name, 'source', source, 'definition', definition, 'digest', digest, 'timing', timing, 'enabled', enabled)
      redis.call('HSET', ARGV[3] .. source, name, digest .. ':' .. timing)
      if action ~= 'change' then
        set(name, 'next_at', moment)
      end
      if action == 'add' then
        set(name, 'paused_until', '', 'last_due', '', 'last_run_id', '', 'last_published_at', '', 'lateness', '')
        set(name, 'runs', 0, 'missed', 0, 'skipped', 0)
        redis.call('ZADD', names, 0, name)
      end
    end
    look_again(name)
  end
end
return {generation, found}
