#!lua
-- Frees a key that this holder has claimed, under all its names. Nothing was created, for certain.
-- KEYS: the names of the idempotency key.
-- ARGV: holder id.
-- Returns the number of names that were freed.
local freed = 0
for _, name in ipairs(KEYS) do
  local found = redis.call('HMGET', name, 'state', 'holder')
  if found[1] == 'running' and found[2] == ARGV[1] then freed = freed + redis.call('DEL', name) end
end
return freed
