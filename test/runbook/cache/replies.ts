// Replies to INFO, as they came or as they would come.
// Redis: recorded from Debian's redis-server 7.0.15, a master and a replica beside it, then the replica with a master that does not answer.
// Dragonfly: Debian has none. Written after its source, github.com/dragonflydb/dragonfly at f8eca6d0b (2026-08-22): names, order and values are those of
// `add_server_info`, `add_persistence_info` and `add_repl_info` in src/server/server_family.cc, states those of `SyncStateName` in src/server/dflycmd.cc.

const lines = (text: string): string => `${text.trim().replaceAll('\n', '\r\n')}\r\n`;

export const REDIS_SERVER = lines(`
# Server
redis_version:7.0.15
redis_git_sha1:00000000
redis_git_dirty:0
redis_build_id:ae4d7c971a948f0
redis_mode:standalone
os:Linux 6.1.0 x86_64
arch_bits:64
monotonic_clock:POSIX clock_gettime
multiplexing_api:epoll
atomicvar_api:c11-builtin
gcc_version:12.2.0
process_id:11003
process_supervised:no
run_id:0f8ef3d9bf217efc4ed8f5733b3180d489919bbe
tcp_port:17002
server_time_usec:1795751428410178
uptime_in_seconds:2
uptime_in_days:0
hz:10
configured_hz:10
lru_clock:589316
config_file:
io_threads_active:0
`);

export const REDIS_PERSISTENCE = lines(`
# Persistence
loading:0
async_loading:0
current_cow_peak:0
current_cow_size:0
current_cow_size_age:0
current_fork_perc:0.00
current_save_keys_processed:0
current_save_keys_total:0
rdb_changes_since_last_save:1
rdb_bgsave_in_progress:0
rdb_last_save_time:1795751426
rdb_last_bgsave_status:ok
rdb_last_bgsave_time_sec:-1
rdb_current_bgsave_time_sec:-1
rdb_saves:0
rdb_last_cow_size:0
rdb_last_load_keys_expired:0
rdb_last_load_keys_loaded:0
aof_enabled:0
aof_rewrite_in_progress:0
aof_rewrite_scheduled:0
aof_last_rewrite_time_sec:-1
aof_current_rewrite_time_sec:-1
aof_last_bgrewrite_status:ok
aof_rewrites:0
aof_rewrites_consecutive_failures:0
aof_last_write_status:ok
aof_last_cow_size:0
module_fork_in_progress:0
module_fork_last_cow_size:0
`);

const REDIS_HISTORY = `
master_failover_state:no-failover
master_replid:ff007bc0bc6142743872fb3107bc1a30b8d91c1d
master_replid2:0000000000000000000000000000000000000000
master_repl_offset:50
second_repl_offset:-1
repl_backlog_active:1
repl_backlog_size:1048576
repl_backlog_first_byte_offset:1
repl_backlog_histlen:50`;

export const REDIS_MASTER = lines(`
# Replication
role:master
connected_slaves:1
slave0:ip=127.0.0.1,port=17002,state=online,offset=50,lag=0${REDIS_HISTORY}
`);

export const REDIS_REPLICA = lines(`
# Replication
role:slave
master_host:127.0.0.1
master_port:17001
master_link_status:up
master_last_io_seconds_ago:0
master_sync_in_progress:0
slave_read_repl_offset:50
slave_repl_offset:50
slave_priority:100
slave_read_only:1
replica_announced:1
connected_slaves:0${REDIS_HISTORY}
`);

export const REDIS_REPLICA_ALONE = lines(`
# Replication
role:slave
master_host:127.0.0.1
master_port:17099
master_link_status:down
master_last_io_seconds_ago:-1
master_sync_in_progress:0
slave_read_repl_offset:50
slave_repl_offset:50
master_link_down_since_seconds:7
slave_priority:100
slave_read_only:1
replica_announced:1
connected_slaves:0${REDIS_HISTORY}
`);

export const DRAGONFLY_SERVER = lines(`
# Server
redis_version:7.4.0
dragonfly_version:df-v1.36.0
redis_mode:standalone
arch_bits:64
process_id:1
os:Linux 6.1.0 x86_64
thread_count:4
multiplexing_api:iouring
tcp_port:6379
uptime_in_seconds:86400
uptime_in_days:1
`);

export const DRAGONFLY_PERSISTENCE = lines(`
# Persistence
current_snapshot_perc:0
current_save_keys_processed:0
current_save_keys_total:0
last_success_save:1795751426
last_saved_file:/data/dump-2026-11-27T03:50:26-summary.dfs
last_success_save_duration_sec:2
loading:0
saving:0
current_save_duration_sec:0
rdb_changes_since_last_success_save:12
rdb_bgsave_in_progress:0
rdb_last_bgsave_status:ok
last_failed_save:0
last_error:
last_failed_save_duration_sec:0
`);

export const DRAGONFLY_MASTER = lines(`
# Replication
role:master
connected_slaves:2
slave0:ip=172.19.0.3,port=6379,state=stable_sync,lag=3
slave1:ip=172.19.0.4,port=6379,state=full_sync,lag=0
master_replid:b08ca5082296cf5b2c1de7207f2bc16bbd8da3d8
`);

/** With `managed_service_info`: replicas are counted and not named. */
export const DRAGONFLY_MASTER_MANAGED = lines(`
# Replication
role:master
connected_slaves:1
master_replid:b08ca5082296cf5b2c1de7207f2bc16bbd8da3d8
`);

export const DRAGONFLY_REPLICA = lines(`
# Replication
role:replica
master_host:172.19.0.2
master_port:6379
master_link_status:up
master_last_io_seconds_ago:1
master_sync_in_progress:0
master_replid:b08ca5082296cf5b2c1de7207f2bc16bbd8da3d8
slave_repl_offset:4711
slave_priority:100
slave_read_only:1
psync_attempts:0
psync_successes:0
`);

/** Of several masters, as in a cluster whose slots move: their fields follow one another. The first link is still making its copy, which has no offset yet. */
export const DRAGONFLY_REPLICA_OF_TWO = lines(`
# Replication
role:replica
master_host:172.19.0.2
master_port:6379
master_link_status:up
master_last_io_seconds_ago:0
master_sync_in_progress:1
master_replid:b08ca5082296cf5b2c1de7207f2bc16bbd8da3d8
slave_priority:100
slave_read_only:1
psync_attempts:0
psync_successes:0
master_host:172.19.0.9
master_port:6380
master_link_status:down
master_last_io_seconds_ago:40
master_sync_in_progress:0
master_replid:0000000000000000000000000000000000000009
slave_priority:100
slave_read_only:1
psync_attempts:1
psync_successes:0
`);
