#!lua
-- Takes a free lock. A holder whose reply was lost may take the lock again.
-- KEYS[1]: the lock.
-- ARGV: holder id, TTL of the lock in ms.
-- Returns 1 if the holder has the lock, else 0.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
