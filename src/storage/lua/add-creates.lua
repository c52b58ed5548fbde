#!lua
-- Adds creates to the recent creates of their addresses. The oldest beyond the limit are removed.
-- KEYS: for each create a name of its address.
-- ARGV: number of creates to keep; TTL in ms; for each name the id of the create, and the time in ms at which it was
-- sent.
for index, name in ipairs(KEYS) do
  redis.call('ZADD', name, ARGV[2 * index + 2], ARGV[2 * index + 1])
  redis.call('ZREMRANGEBYRANK', name, 0, -ARGV[1] - 1)
  redis.call('PEXPIRE', name, ARGV[2])
end
