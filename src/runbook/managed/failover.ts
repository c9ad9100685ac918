// managed.failover: another member of a database that a vendor keeps becomes the writer; planned without loss, or by force. The vendor fences the old one.
import { Answered } from '../../exchange.ts';
import type { Call, Effect, Reading, StepKind } from '../kind.ts';
import type { StepSpecs } from '../model.ts';
import { applyOr, readOr, saying } from '../outcome.ts';
import { type ManagedDatabase, refusalOf } from './standing.ts';

type Spec = StepSpecs['managed.failover'];

const open = ({ system, vendor }: Spec, { context }: Call): Promise<ManagedDatabase> => context.system<ManagedDatabase>(system, vendor);

export const managedFailover: StepKind<'managed.failover'> = {
  kind: 'managed.failover',
  signal: 'target',
  read: (spec, call) => readOr(`database on ${spec.system}`, () => readMove(spec, call)),
  apply: (spec, call) => applyOr(`database on ${spec.system}`, () => move(spec, call)),
};

/** Said with whatever status: it is at something else, or asked too often. */
const BUSY = /\bInvalid\w*State|\bThrottling|operation .*in progress/i;

const readMove = async (spec: Spec, call: Call): Promise<Reading> => {
  const database = await open(spec, call);
  const { operation: name } = call.facts;
  if (typeof name === 'string' && database.operation !== null) {
    const { is, because } = await database.operation(name, call.signal);
    if (is === 'failed') return { is: 'never', because };
    if (is === 'running') return { is: 'pending', because };
  }
  const { member, writer, busy } = await database.look(spec.to, call.signal);
  if (member === null) return { is: 'never', because: `${spec.to} is no member of it; compare the name in the platform's configuration` };
  // While it moves, the vendor may name either as the writer.
  if (busy !== null) return { is: 'pending', because: busy.says };
  if (member.writes) return { is: 'reached', because: `${spec.to} writes` };
  return { is: 'pending', because: `${writer ?? 'nobody'} writes; ${spec.to} is ${member.state}` };
};

const move = async (spec: Spec, call: Call): Promise<Effect> => {
  const database = await open(spec, call);
  const { member, busy } = await database.look(spec.to, call.signal);
  if (member?.writes === true && busy === null) return { took: 'accepted', because: `${spec.to} writes already` };
  // One that waits for a writer that is gone is no move by force, wherever it leads: the vendor says whether that may be had beside it.
  const isInTheWay = spec.lossy && busy?.isThis === true && busy.waits === true;
  if (busy?.isThis === true && !isInTheWay) return { took: 'accepted', because: `${busy.says} already` };
  // Something else: asked again once it has ended.
  if (busy !== null && !isInTheWay) return { took: 'refused', because: `it is busy: ${busy.says}` };
  if (!spec.lossy && member?.ready === false)
    return { took: 'refused', because: `${spec.to} is ${member.state}: a move without loss would not be taken` };
  try {
    const operation = await database.move(spec.to, spec.lossy, call.signal);
    const because = `asked for ${spec.to}${spec.lossy ? ', with loss of what it had not received' : ''}`;
    return operation === null ? { took: 'accepted', because } : { took: 'accepted', because, facts: { operation } };
  } catch (error) {
    const isBusy = error instanceof Answered && BUSY.test(error.message);
    return refusalOf(error instanceof Answered ? error.code : null, isBusy, saying(error));
  }
};
