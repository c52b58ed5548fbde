#!lua
-- Records under all names of a key how the request that claimed it ended. A name that another live replica runs is left
-- unchanged, and a known outcome is never replaced by an unknown one.
-- KEYS: the names of the idempotency key.
-- ARGV: holder id; TTL of the key in ms; '1' if the record is a response; for each name the encrypted record.
-- Returns the number of names under which the record was written.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local written = 0
for index, name in ipairs(KEYS) do
  local found = redis.call('HMGET', name, 'state', 'holder', 'lease', 'started')
  local runs = found[1] == 'running' and found[2] ~= ARGV[1] and tonumber(found[3]) > now
  if not runs and (found[1] ~= 'settled' or ARGV[3] == '1') then
    redis.call('DEL', name)
    redis.call('HSET', name, 'state', 'settled', 'record', ARGV[3 + index], 'started', found[4] or now)
    redis.call('PEXPIRE', name, ARGV[2])
    written = written + 1
  end
end
return written
