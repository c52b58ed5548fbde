#!lua
-- Releases a lock that this holder still has.
-- KEYS[1]: the lock.
-- ARGV: holder id.
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
