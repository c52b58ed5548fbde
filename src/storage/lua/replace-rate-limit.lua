#!lua
-- Replaces the state of a rate limit unless another replica has changed it. Removes the permits that it includes.
-- KEYS: as in read-rate-limit.
-- ARGV: state as it was read, new state, time of the reading in ms, TTL of the state in ms, the permit ids.
-- Returns 1 if the state was replaced, else 0.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
for index = 5, #ARGV do redis.call('ZREM', KEYS[2], ARGV[index]) end
return 1
