#!lua
-- Claims a free idempotency key, or returns its record. If the holder has not renewed its lease, the key is lost: its
-- replica died, and the outcome of its request is unknown. A holder whose reply was lost may claim the key again.
-- KEYS[1]: the idempotency key.
-- ARGV: holder id, or '' to read only; lease in ms; TTL of the key in ms.
-- Returns nil if the key was free, else { state, encrypted record or '', ms since it was claimed }.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'state', 'record', 'lease', 'started', 'holder')
if not found[1] and ARGV[1] == '' then return false end
if not found[1] or (found[1] == 'running' and found[5] == ARGV[1]) then
  redis.call('HSET', KEYS[1], 'state', 'running', 'holder', ARGV[1], 'lease', now + ARGV[2], 'started', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return false
end
local ago = now - tonumber(found[4])
if found[1] == 'running' and tonumber(found[3]) <= now then return { 'lost', '', ago } end
return { found[1], found[2] or '', ago }
