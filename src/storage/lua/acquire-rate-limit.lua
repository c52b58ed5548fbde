#!lua
-- Grants a permit for one request to Procore if its rate limit has requests left beside those in flight on all
-- replicas. Otherwise returns the time after which to ask again.
-- KEYS[1]: state of the rate limit, as JSON.
-- KEYS[2]: sorted set of the permits in flight, by the end of their leases.
-- ARGV: permit id, lease in ms, '1' if the request is sent as a whole, lead of the first request after a reset in ms,
-- TTL of both keys in ms, interval in ms at which to ask again while another request probes.
-- Returns { 1, epoch }, or { 0, ms, 'rate' | 'unavailable' | 'probe' }.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local inFlight = redis.call('ZCARD', KEYS[2])
local stored = redis.call('GET', KEYS[1])
local known = stored and cjson.decode(stored) or { epoch = 0, told = {}, uncounted = true }
local isExpired = false
if known.blockedUntil and known.blockedUntil <= now then
  known.blockedUntil = nil
  isExpired = true
end
for name, window in pairs(known.told) do
  if window.resetAt <= now then
    known.told[name] = nil
    isExpired = true
  end
end
if isExpired then
  known.epoch = known.epoch + 1
  known.uncounted = true
  known.probeUntil = nil
end
-- A permit expires if its replica died. Procore may have counted its request.
for _, window in pairs(known.told) do window.remaining = window.remaining - lost end
local reply
if known.blockedUntil then
  reply = { 0, known.blockedUntil - now, known.block }
else
  local spentUntil = 0
  local crowdedUntil = 0
  for _, window in pairs(known.told) do
    if window.remaining <= 0 then
      spentUntil = math.max(spentUntil, window.resetAt)
    elseif window.remaining <= inFlight then
      crowdedUntil = math.max(crowdedUntil, window.resetAt)
    end
  end
  if spentUntil > 0 then
    reply = { 0, spentUntil - now, 'rate' }
  elseif crowdedUntil > 0 then
    -- All remaining requests are in flight. One of their responses may report that more remain.
    reply = { 0, math.min(crowdedUntil - now, tonumber(ARGV[6])), 'probe' }
  elseif known.uncounted and known.probeUntil and known.probeUntil > now and (ARGV[3] == '1' or inFlight > 0) then
    reply = { 0, math.min(known.probeUntil - now, tonumber(ARGV[6])), 'probe' }
  else
    if known.uncounted and ARGV[3] == '1' then known.probeUntil = now + ARGV[4] end
    redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
    reply = { 1, known.epoch }
  end
end
redis.call('SET', KEYS[1], cjson.encode(known), 'PX', ARGV[5])
return reply
