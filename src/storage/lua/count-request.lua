#!lua
-- Counts a request of a caller in its current window. The first request starts the window.
-- KEYS[1]: the counter.
-- ARGV: length of the window in ms.
-- Returns { requests in the window, ms until its end }.
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return { count, redis.call('PTTL', KEYS[1]) }
