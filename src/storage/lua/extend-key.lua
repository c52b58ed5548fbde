#!lua
-- Says that the holder of a key is still alive. A key that the store has lost, by a failover or with its file, is put in again.
-- KEYS[1] the key; ARGV: holder, lease in ms, life of the key in ms, ms since it was taken, or '' when its end is being written.
-- Answers 1 when the lease was extended.
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
