#!lua
-- Says that the holder of a key is still alive.
-- KEYS[1] the key; ARGV: holder, lease in ms. Answers 1 when the lease was extended.
local found = redis.call('HMGET', KEYS[1], 'state', 'holder')
if found[1] ~= 'running' or found[2] ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'lease', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2])
return 1
