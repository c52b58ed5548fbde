#!lua
-- Returns the state of a rate limit and the number of its permits, and then adds a permit.
-- KEYS[1]: state, which only the replicas interpret.
-- KEYS[2]: sorted set of the permits of all replicas, by the end of their leases.
-- ARGV: lease in ms, TTL of the permits in ms, permit id or ''.
-- Returns { state or '', time in ms, permits in flight, permits whose lease has expired }.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = redis.call('ZCOUNT', KEYS[2], '-inf', now)
local view = { redis.call('GET', KEYS[1]) or '', now, redis.call('ZCARD', KEYS[2]) - lost, lost }
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[2], now + ARGV[1], ARGV[3]) end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return view
