#!lua
-- Replaces the state of a rate limit, which only the replicas interpret, if no other replica has changed it. A recall
-- of the permits that replicas hold in advance is stored together with the new state.
-- KEYS[1]: the state. KEYS[2]: the stream of recalls.
-- ARGV: SHA-1 of the state as the replica knows it; new state, or '' to read only; TTL in ms; rate limit whose permits
-- are recalled, or ''; number of recalls to store.
-- Returns { 1 if the replica knew the state, else 0; time in ms; the stored state if the replica did not know it }.
local stored = redis.call('GET', KEYS[1]) or ''
local known = redis.sha1hex(stored) == ARGV[1]
if known and ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  if ARGV[4] ~= '' then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'id', ARGV[4])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
  end
end
local time = redis.call('TIME')
return { known and 1 or 0, time[1] * 1000 + math.floor(time[2] / 1000), known and '' or stored }
