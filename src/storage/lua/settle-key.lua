#!lua
-- Records how the request that claimed a key ended. A key that another live replica runs is left unchanged, and a known
-- outcome is never replaced by an unknown one.
-- KEYS[1]: the idempotency key.
-- ARGV: holder id, encrypted record, TTL of the key in ms, '1' if the record is a response.
-- Returns 1 if the record was written, else 0.
local found = redis.call('HMGET', KEYS[1], 'state', 'holder', 'lease', 'started')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if found[1] == 'running' and found[2] ~= ARGV[1] and tonumber(found[3]) > now then return 0 end
if found[1] == 'settled' and ARGV[4] ~= '1' then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'state', 'settled', 'record', ARGV[2], 'started', found[4] or now)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
