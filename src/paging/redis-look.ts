// One look at a channel's queue in Redis: whether it moves, and which of some errands it holds. One script, one round trip, a few milliseconds for 250
// errands. It knows the keys of BullMQ 6; the contract of its suite is that a look and a worker of that version agree.
// It writes one key of its own: a replica or a server whose memory is full answers every question, and moves nothing.

/** KEYS: one that tells the server. ARGV: the queue's keys up to their last part, wall clock in ms, places of a worker, rate (jobs, ms; 0: none), job ids. */
export const LOOK = `
local at, now, places = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local rate, per = tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('SET', KEYS[1], ARGV[2], 'PX', 60000)

local head = redis.call('LINDEX', at .. 'wait', -1)
  or redis.call('ZRANGE', at .. 'prioritized', 0, 0)[1]
  or redis.call('ZRANGEBYSCORE', at .. 'delayed', 0, (now + 1) * 4096 - 1, 'LIMIT', 0, 1)[1]

local trying = 0
for _, id in ipairs(redis.call('LRANGE', at .. 'active', 0, places * 4)) do
  trying = trying + redis.call('EXISTS', at .. id .. ':lock')
end
local slowed = trying >= places
if rate > 0 and tonumber(redis.call('GET', at .. 'limiter') or 0) >= rate then
  local left = redis.call('PTTL', at .. 'limiter')
  slowed = slowed or (left > 0 and left <= per)
end

-- Due times are of the wall clock of whoever set them: one that lies further ahead than it was set was set before that clock was put back.
local function comes(id)
  local due = redis.call('ZSCORE', at .. 'delayed', id)
  return due and due / 4096 - now <= tonumber(redis.call('HGET', at .. id, 'delay') or 0) + 5000
end

local held = {}
for i = 6, #ARGV do
  local id = ARGV[i]
  if redis.call('EXISTS', at .. id) == 0 then held[#held + 1] = 'n'
  elseif redis.call('EXISTS', at .. id .. ':lock') == 1
    or redis.call('ZSCORE', at .. 'prioritized', id)
    or comes(id)
    or redis.call('LPOS', at .. 'wait', id) then held[#held + 1] = 'y'
  else held[#held + 1] = '?' end
end

return {
  redis.call('HEXISTS', at .. 'meta', 'paused'),
  head or '',
  slowed and 1 or 0,
  redis.call('LLEN', at .. 'wait') + redis.call('ZCARD', at .. 'prioritized') + redis.call('ZCARD', at .. 'delayed'),
  redis.call('ZCARD', at .. 'failed'),
  table.concat(held)
}
`;

export interface Look {
  /** Somebody has told all workers to take nothing. */
  paused: boolean;
  /** The job to be taken next, were a worker free; empty: none is due. */
  head: string;
  /** It waits for a reason that passes: every place is taken, or the channel's rate is used up. */
  slowed: boolean;
  waiting: number;
  failed: number;
  /** One letter per id: `y`: it waits or is being tried; `n`: there is none; `?`: there is, and no worker will take it in time, or the one that tried it is gone. */
  held: string;
}

/** Throws on an answer of another form. */
export const lookOf = (answer: unknown): Look => {
  const [paused, head, slowed, waiting, failed, held] = Array.isArray(answer) ? answer : [];
  if (typeof head !== 'string' || typeof held !== 'string') throw new Error('the look was answered in another form');
  return { paused: paused === 1, head, slowed: slowed === 1, waiting: Number(waiting), failed: Number(failed), held };
};

/** What a server's own words (INFO, CONFIG GET appendfsync) say against keeping jobs there; it works all the same, and the store has every page. */
export const settingsAgainst = (info: string, fsync: string | null): readonly string[] => {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
  const hasLog = /^aof_enabled:0/m.exec(info) === null;
  return [
    ...(policy === 'noeviction' ? [] : [`maxmemory-policy is ${policy}: jobs may be evicted; set noeviction`]),
    ...(hasLog ? [] : ['appendonly is no: jobs are gone when it dies; set yes']),
    ...(hasLog && fsync !== null && fsync !== 'always'
      ? [`appendfsync is ${fsync}: the last jobs may be gone when its machine dies; set always`]
      : []),
  ];
};
