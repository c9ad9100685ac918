import { startWorld } from './world.ts';
const t0 = performance.now();
const t = (...w: unknown[]) => console.log(((performance.now() - t0) / 1000).toFixed(2), ...w);
const world = await startWorld();
t('up', world.folder, world.rttMs);
t(await world.etcdLeader(), world.chronicle.latest?.leader);
await world[Symbol.asyncDispose]();
t('gone');
