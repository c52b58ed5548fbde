#!lua
-- Takes a lock that is free. A holder whose answer was lost may ask again.
-- KEYS[1] the lock; ARGV: holder, life of the lock in ms. Answers 1 when the holder has it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
