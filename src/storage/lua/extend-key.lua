#!lua
-- Renews the lease of a key under all its names. A name that Redis has lost, by a failover or with its data, is written
-- again.
-- KEYS: the names of the idempotency key.
-- ARGV: holder id; lease in ms; TTL of the key in ms; ms since it was claimed, or '' while the end of the request is
-- being written: then a missing name is not written again; for each name the encrypted record that counts if the
-- replica dies, or ''.
-- Returns the number of names whose lease was renewed.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local renewed = 0
for index, name in ipairs(KEYS) do
  local found = redis.call('HMGET', name, 'state', 'holder')
  if not found[1] and ARGV[4] ~= '' then
    redis.call('HSET', name, 'state', 'running', 'holder', ARGV[1], 'started', now - ARGV[4])
    redis.call('PEXPIRE', name, ARGV[3])
    found = { 'running', ARGV[1] }
  end
  if found[1] == 'running' and found[2] == ARGV[1] then
    redis.call('HSET', name, 'lease', now + ARGV[2], 'record', ARGV[4 + index])
    renewed = renewed + 1
  end
end
return renewed
