#!lua
-- Claims a free idempotency key under all its names, or returns what is stored under them. If the holder has not
-- renewed its lease, the key is lost: its replica died, and the outcome of its request is unknown. A holder whose reply
-- was lost may claim the key again.
-- KEYS: the names of the idempotency key.
-- ARGV: holder id, or '' to read only; lease in ms; TTL of the key in ms; for each name the encrypted record that counts
-- if the replica dies, or ''.
-- Returns nil if all names were free, else for each { state or '', encrypted record or '', ms since it was claimed }.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local replies = {}
local free = true
for index, name in ipairs(KEYS) do
  local found = redis.call('HMGET', name, 'state', 'record', 'lease', 'started', 'holder')
  replies[index] = { '', '', 0 }
  if found[1] and not (found[1] == 'running' and found[5] == ARGV[1]) then
    free = false
    local lost = found[1] == 'running' and tonumber(found[3]) <= now
    replies[index] = { lost and 'lost' or found[1], found[2] or '', now - tonumber(found[4]) }
  end
end
if not free then return replies end
if ARGV[1] == '' then return false end
for index, name in ipairs(KEYS) do
  local lease = now + ARGV[2]
  redis.call(
    'HSET', name, 'state', 'running', 'holder', ARGV[1], 'lease', lease, 'started', now, 'record', ARGV[3 + index]
  )
  redis.call('PEXPIRE', name, ARGV[3])
end
return false
