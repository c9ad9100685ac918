// The world of webhook.call: a receiver that verifies by the library of Standard Webhooks, tells repeats by the id, and says how far it is.
import { Webhook } from 'standardwebhooks';
import type { StepWorld } from '../../contract/step.contract.ts';
import { type Asked, type Front, type Said, startFront } from '../front.ts';

const BASE64 = Buffer.from('the key of the receiver of runbooks').toString('base64');
const SECRET = `whsec_${BASE64}`;
const FILE = '/secrets/queue';

export interface WebhookWorld extends StepWorld<'webhook.call'> {
  front: Front;
  /** What was told, by id. */
  known: Map<string, { body: string; state: string }>;
  /** Of the next answers to what is told; null: as a receiver that works. */
  answers: Said | null;
  /** To the next GETs; null: by what is known. */
  says: Said | null;
}

export const startWebhookWorld = async (): Promise<WebhookWorld> => {
  const known: WebhookWorld['known'] = new Map();
  const receiver = new Webhook(SECRET);
  const answer = (asked: Asked): Said => {
    const { method, path, headers, body } = asked;
    const id = headers['webhook-id'] ?? '';
    try {
      receiver.verify(method === 'GET' ? JSON.stringify(path) : body, headers as Record<string, string>);
    } catch {
      return { status: 401, text: 'the signature is not good' };
    }
    if (method === 'GET') {
      if (world.says !== null) return world.says;
      const found = known.get(id);
      return found === undefined
        ? { status: 404, text: 'unknown' }
        : { status: 200, json: { state: found.state, because: '12 in flight' } };
    }
    if (world.answers !== null) return world.answers;
    if (!known.has(id)) known.set(id, { body, state: 'working' });
    return { status: 202, json: { state: 'working' } };
  };
  const front = await startFront(answer);
  const world: WebhookWorld = {
    front,
    known,
    answers: null,
    says: null,
    spec: { system: 'queue', external: 'orders-queue', when: 'fence', waits: true },
    systems: { queue: { kind: 'webhook', url: `${front.url}/hooks/tidegate?a=1`, secretFile: FILE } },
    files: { [FILE]: SECRET },
    secrets: [BASE64],
    settle: () => {
      for (const it of known.values()) it.state = 'drained';
    },
    effects: () => known.size,
    meets: front.meets,
    asked: front.asked,
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
  return world;
};
