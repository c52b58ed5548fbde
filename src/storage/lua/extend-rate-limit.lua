#!lua
-- Says that requests of a replica are still under way; one that is not there any more, or never was, is put in.
-- KEYS[1] the requests under way; ARGV: lease in ms, life of the key in ms, the requests.
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for index = 3, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[index]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
