#!lua
-- Writes how the request ended that holds the key. One that another replica is running is left alone, and what is known of an end
-- gives way to no doubt.
-- KEYS[1] the key; ARGV: holder, sealed record, life of the key in ms, '1' if the record is an answer. Answers 1 when it was written.
local found = redis.call('HMGET', KEYS[1], 'state', 'holder', 'lease', 'started')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if found[1] == 'running' and found[2] ~= ARGV[1] and tonumber(found[3]) > now then return 0 end
if found[1] == 'settled' and ARGV[4] ~= '1' then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'state', 'settled', 'record', ARGV[2], 'started', found[4] or now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
