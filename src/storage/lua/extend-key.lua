#!lua
-- Renews the lease of a key. If Redis has lost the key, by a failover or with its data, the key is written again.
-- KEYS[1]: the idempotency key.
-- ARGV: holder id, lease in ms, TTL of the key in ms, ms since it was claimed, or '' while the end of the request is
-- being written: then a missing key is not written again.
-- Returns 1 if the lease was renewed, else 0.
local found = redis.call('HMGET', KEYS[1], 'state', 'holder')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not found[1] and ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'state', 'running', 'holder', ARGV[1], 'started', now - ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
elseif found[1] ~= 'running' or found[2] ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'lease', now + ARGV[2])
return 1
