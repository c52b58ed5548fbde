#!lua
-- Stores or removes a batch of an import, or its identity, if the replica still has the lease of the company.
-- KEYS[1]: the lease. KEYS[2]: the import.
-- ARGV: holder id; number of the batch, or `identity`; its value, empty to remove it; TTL of the import in ms.
-- Returns 1 if the replica has the lease, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
