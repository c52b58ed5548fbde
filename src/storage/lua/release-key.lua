#!lua
-- Makes a key free again that this holder is running: certainly nothing was created.
-- KEYS[1] the key; ARGV: holder. Answers 1 when it is free.
local found = redis.call('HMGET', KEYS[1], 'state', 'holder')
if found[1] == 'running' and found[2] == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
