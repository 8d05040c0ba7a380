-- Defines server_time() -> microseconds and milliseconds on the server's clock.

local function server_time()
  local time = redis.call('TIME')
  local microseconds = time[1] * 1000000 + time[2]
  return microseconds, microseconds / 1000
end
