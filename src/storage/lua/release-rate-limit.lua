#!lua
-- Notes what the end of a request told of the allowance.
-- KEYS as in enter-allowance. ARGV: epoch, '1' if an answer came, how many requests Procore may have counted beside what it told,
-- name of the window that the answer told of or '', what remains of it, ms to its reset, ms of a block or 0, its kind, life of the keys in ms,
-- the requests.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index = 10, #ARGV do redis.call('ZREM', KEYS[2], ARGV[index]) end
local text = redis.call('GET', KEYS[1])
local known = text and cjson.decode(text) or { epoch = 0, told = {}, uncounted = true }
if ARGV[4] ~= '' then
  local remaining = tonumber(ARGV[5])
  local told = known.told[ARGV[4]]
  -- Answers overtake each other: within one window the lowest count is the latest.
  if told and told.remaining < remaining then remaining = told.remaining end
  known.told[ARGV[4]] = { remaining = remaining, resetAt = told and told.resetAt or now + ARGV[6] }
end
for _, told in pairs(known.told) do told.remaining = told.remaining - ARGV[3] end
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
