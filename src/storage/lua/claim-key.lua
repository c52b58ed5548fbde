#!lua
-- Takes an idempotency key that is free, or tells what stands under it. One whose holder has not extended its lease is lost: the
-- replica that held it died, and nobody knows what became of its request. A holder whose answer was lost may ask again.
-- KEYS[1] the key; ARGV: holder, or '' only to look, lease in ms, life of the key in ms. Answers nil when it was free, else { state, sealed record or '', start in ms }.
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
