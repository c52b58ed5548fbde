#!lua
-- Counts requests of a caller in its current window, and leases more of them to the replica, which counts those itself
-- and reports them with its next call. The first request starts the window.
-- KEYS[1]: hash with `count`, the requests that were reported, and `leased`, the requests of all leases.
-- ARGV: length of a window in ms; requests to count; the replica's lease that ends: its window, its size, and how much
-- of it was used; requests that all replicas together may lease; count up to which requests are leased.
-- Returns { count, ms until the end of the window, window, requests leased to the replica }.
local counted, returned = tonumber(ARGV[2]), 0
local window = redis.call('PEXPIRETIME', KEYS[1])
-- A lease ends with its window.
if window == tonumber(ARGV[3]) then counted, returned = counted + ARGV[5], tonumber(ARGV[4]) end
local count = redis.call('HINCRBY', KEYS[1], 'count', counted)
-- If the clock was set back, the window would last longer by that time.
if window < 0 or redis.call('PTTL', KEYS[1]) > tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  window = redis.call('PEXPIRETIME', KEYS[1])
end
local leased = redis.call('HINCRBY', KEYS[1], 'leased', 0 - returned)
-- Half of the rest, so that the next replica gets some, too.
local lease = count <= tonumber(ARGV[7]) and math.floor((ARGV[6] - leased) / 2) or 0
if lease > 0 then redis.call('HINCRBY', KEYS[1], 'leased', lease) end
return { count, redis.call('PTTL', KEYS[1]), window, lease }
