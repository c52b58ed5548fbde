#!lua
-- Notes what the end of a request told of the allowance.
-- KEYS as in enter-allowance. ARGV: the request, its epoch, '1' if an answer came, '1' if Procore may have counted it,
-- name of the window that the answer told of or '', what remains of it, ms to its reset, ms of a block or 0, its kind, life of the keys in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', KEYS[2], ARGV[1])
local text = redis.call('GET', KEYS[1])
local known = text and cjson.decode(text) or { epoch = 0, told = {}, uncounted = true }
if ARGV[5] ~= '' then
  local remaining = tonumber(ARGV[6])
  local told = known.told[ARGV[5]]
  -- Answers overtake each other: within one window the lowest count is the latest.
  if told and told.remaining < remaining then remaining = told.remaining end
  known.told[ARGV[5]] = { remaining = remaining, resetAt = told and told.resetAt or now + ARGV[7] }
elseif ARGV[4] == '1' then
  for _, told in pairs(known.told) do told.remaining = told.remaining - 1 end
end
if tonumber(ARGV[8]) > 0 and now + ARGV[8] > (known.blockedUntil or 0) then
  known.blockedUntil = now + ARGV[8]
  known.block = ARGV[9]
end
if tonumber(ARGV[2]) == known.epoch then
  if ARGV[3] == '1' then known.uncounted = nil end
  known.probeUntil = nil
end
redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[10])
return 1
