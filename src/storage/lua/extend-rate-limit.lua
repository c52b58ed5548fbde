#!lua
-- Renews the leases of a replica's permits. Permits that are missing, because they were never added or were removed,
-- are added.
-- KEYS[1]: sorted set of the permits in flight.
-- ARGV: lease in ms, TTL of the key in ms, the permit ids.
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for index = 3, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[index]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
