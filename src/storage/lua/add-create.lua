#!lua
-- Adds a create to the recent creates of an address, under all its names. The oldest beyond the limit are removed.
-- KEYS: the names of the address.
-- ARGV: id of the create; time at which it was sent, in ms; number of creates to keep; TTL in ms.
for _, name in ipairs(KEYS) do
  redis.call('ZADD', name, ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYRANK', name, 0, -ARGV[3] - 1)
  redis.call('PEXPIRE', name, ARGV[4])
end
