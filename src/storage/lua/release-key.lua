#!lua
-- Frees a key that this holder has claimed. Nothing was created, for certain.
-- KEYS[1]: the idempotency key.
-- ARGV: holder id.
-- Returns 1 if the key was freed, else 0.
local found = redis.call('HMGET', KEYS[1], 'state', 'holder')
if found[1] == 'running' and found[2] == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
