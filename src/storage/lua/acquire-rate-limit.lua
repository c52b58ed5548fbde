#!lua
-- Lets a request of any replica go if Procore's allowance has room beside those that are under way, or tells when to come again.
-- KEYS[1] what is known, as JSON; KEYS[2] the requests under way, by the time at which they count as lost.
-- ARGV: the request, its lease in ms, '1' if it is sent whole, how long one goes ahead after a reset in ms, life of the keys in ms,
-- how soon to ask again while others are finding out.
-- Answers { 1, epoch } or { 0, ms, 'rate' or 'unavailable' or 'probe' }.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local underWay = redis.call('ZCARD', KEYS[2])
local text = redis.call('GET', KEYS[1])
local known = text and cjson.decode(text) or { epoch = 0, told = {}, uncounted = true }
local isOver = false
if known.blockedUntil and known.blockedUntil <= now then
  known.blockedUntil = nil
  isOver = true
end
for name, told in pairs(known.told) do
  if told.resetAt <= now then
    known.told[name] = nil
    isOver = true
  end
end
if isOver then
  known.epoch = known.epoch + 1
  known.uncounted = true
  known.probeUntil = nil
end
-- Of a replica that died nobody knows what it sent: Procore may have counted all of it.
for _, told in pairs(known.told) do told.remaining = told.remaining - lost end
local answer
if known.blockedUntil then
  answer = { 0, known.blockedUntil - now, known.block }
else
  local spentUntil = 0
  local crowdedUntil = 0
  for _, told in pairs(known.told) do
    if told.remaining <= 0 then
      spentUntil = math.max(spentUntil, told.resetAt)
    elseif told.remaining <= underWay then
      crowdedUntil = math.max(crowdedUntil, told.resetAt)
    end
  end
  if spentUntil > 0 then
    answer = { 0, spentUntil - now, 'rate' }
  elseif crowdedUntil > 0 then
    -- What remains is under way: an answer may tell that more does.
    answer = { 0, math.min(crowdedUntil - now, tonumber(ARGV[6])), 'probe' }
  elseif known.uncounted and known.probeUntil and known.probeUntil > now and (ARGV[3] == '1' or underWay > 0) then
    answer = { 0, math.min(known.probeUntil - now, tonumber(ARGV[6])), 'probe' }
  else
    if known.uncounted and ARGV[3] == '1' then known.probeUntil = now + ARGV[4] end
    redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
    answer = { 1, known.epoch }
  end
end
redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[5])
return answer
