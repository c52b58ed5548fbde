#!lua
-- Releases permits, and records what the response said about the rate limit.
-- KEYS: as in acquire-rate-limit.
-- ARGV: epoch of the permit, '1' if a response arrived, number of requests that Procore may have counted since it last
-- reported the remaining number, name of the reported window or '', its remaining requests, ms until its reset, ms for
-- which Procore asked to wait or 0, the reason ('rate' or 'unavailable'), TTL of both keys in ms, the permit ids.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index = 10, #ARGV do redis.call('ZREM', KEYS[2], ARGV[index]) end
local stored = redis.call('GET', KEYS[1])
local known = stored and cjson.decode(stored) or { epoch = 0, told = {}, uncounted = true }
if ARGV[4] ~= '' then
  local remaining = tonumber(ARGV[5])
  local window = known.told[ARGV[4]]
  -- Responses overtake each other. Within one window the lowest number is the latest.
  if window and window.remaining < remaining then remaining = window.remaining end
  known.told[ARGV[4]] = { remaining = remaining, resetAt = window and window.resetAt or now + ARGV[6] }
end
for _, window in pairs(known.told) do window.remaining = window.remaining - ARGV[3] end
if tonumber(ARGV[7]) > 0 and now + ARGV[7] > (known.blockedUntil or 0) then
  known.blockedUntil = now + ARGV[7]
  known.block = ARGV[8]
end
if tonumber(ARGV[1]) == known.epoch then
  if ARGV[2] == '1' then known.uncounted = nil end
  known.probeUntil = nil
end
redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[9])
return 1
