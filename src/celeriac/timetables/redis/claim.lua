-- Take due moments off the timetable, and publish the runs that come of them or have them pending.
--
-- KEYS 1 the agenda (sorted set: moment to look, name)  2 pending runs (sorted set: microsecond of the claim, run id)
--      3 their contents (hash)
-- ARGV 1 what entries' keys begin with  2 what histories' keys begin with  3 '1' to publish, '0' to have them pending
--      4 how many runs a history holds; then for each claim:
--      name, generation ('': a run by hand, which needs no claim and leaves the moment), due moment, next moment, moment
--        to look, how many were missed, how many were skipped, how many runs; a moment '' is none
--      for each run: its id, its due moment, its reason, how many commands publish it
--      for each command: how many words it has, and the words; a pending run has one command, of one word: the envelope
-- Result: for each claim 1 if it was had, 0 if not, and an error's text if the run could not be published
--
-- A run is published before its entry moves on: an error in between, which only a key of a foreign kind can cause, or
-- a server that is full, repeats it and does not lose it.
-- A history is a list, the last run first. Its lines are 'due:lateness:published_at:reason:id', with the first letter
-- of the reason. A pending run is 'number:due:reason:length of the name:name' and the envelope.

-- include server_time

local microseconds = server_time()
local now = microseconds / 1000000
local order = 0
local at = 4

local function next_argument()
  at = at + 1
  return ARGV[at]
end

-- Returns the words of the commands of the runs that are next, by run.
local function read_runs(count)
  local runs = {}
  for position = 1, count do
    local run = {id = next_argument(), due = next_argument(), reason = next_argument(), commands = {}}
    for number = 1, tonumber(next_argument()) do
      local size = tonumber(next_argument())
      run.commands[number] = {unpack(ARGV, at + 1, at + size)}
      at = at + size
    end
    runs[position] = run
  end
  return runs
end

local function is_had(entry, generation, due)
  if generation == '' then
    return true
  end
  local moment, pause = entry[2], entry[4]
  return entry[1] == generation and moment ~= '' and tonumber(moment) == tonumber(due) and entry[3] == '1'
    and pause ~= 'inf' and (pause == '' or tonumber(pause) <= now)
end

-- Returns the text of the first error.
local function publish(runs)
  for _, run in ipairs(runs) do
    for _, command in ipairs(run.commands) do
      local answer = redis.pcall(unpack(command))
      if type(answer) == 'table' and answer.err then
        return answer.err
      end
    end
  end
end

local function note(name, number, run, published_at, lateness)
  local line = table.concat({run.due, lateness, published_at, string.sub(run.reason, 1, 1), run.id}, ':')
  redis.call('LPUSH', ARGV[2] .. name, line)
  if ARGV[3] ~= '1' then
    order = order + 1
    redis.call('ZADD', KEYS[2], string.format('%.0f', microseconds + order), run.id)
    local head = table.concat({number, run.due, run.reason, #name, name}, ':')
    redis.call('HSET', KEYS[3], run.id, head .. run.commands[1][1])
  end
end

local function note_runs(name, count, runs)
  local key = ARGV[1] .. name
  local published_at = ARGV[3] == '1' and string.format('%.3f', now) or ''
  for position, run in ipairs(runs) do
    local lateness = string.format('%.3f', math.max(0, now - tonumber(run.due)))
    note(name, count + position, run, published_at, lateness)
    redis.call('HSET', key, 'last_run_id', run.id, 'last_published_at', published_at, 'runs', count + position)
    if run.reason ~= 'by hand' then
      redis.call('HSET', key, 'last_due', run.due, 'lateness', lateness)
    end
  end
  redis.call('LTRIM', ARGV[2] .. name, 0, ARGV[4] - 1)
end

local function move_on(name, due, next_at, look_at, missed, skipped)
  local key = ARGV[1] .. name
  if tonumber(next_at) ~= tonumber(due) then
    redis.call('HSET', key, 'next_at', next_at, 'paused_until', '')
  end
  redis.call('HINCRBY', key, 'missed', missed)
  redis.call('HINCRBY', key, 'skipped', skipped)
  if look_at == '' then
    redis.call('ZREM', KEYS[1], name)
  else
    redis.call('ZADD', KEYS[1], look_at, name)
  end
end

local result = {}
while at < #ARGV do
  local name, generation, due, next_at = next_argument(), next_argument(), next_argument(), next_argument()
  local look_at, missed, skipped = next_argument(), next_argument(), next_argument()
  local runs = read_runs(tonumber(next_argument()))
  local entry = redis.call('HMGET', ARGV[1] .. name, 'generation', 'next_at', 'enabled', 'paused_until', 'runs')
  local answer = 0
  if entry[1] and is_had(entry, generation, due) then
    answer = ARGV[3] == '1' and publish(runs) or 1
    if answer == 1 then
      note_runs(name, tonumber(entry[5]), runs)
      if generation ~= '' then
        move_on(name, due, next_at, look_at, missed, skipped)
      end
    end
  end
  result[#result + 1] = answer
end
return result
