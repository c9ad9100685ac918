// The world of temporal.failover: the fake of Temporal Cloud behind a wire that fails.
import { fetch } from 'undici';
import type { StepWorld } from '../../contract/step.contract.ts';
import { type Asked, type Said, startFront } from '../front.ts';
import { startFakeCloud, tenant } from './fake-cloud.ts';
import { TOKEN_FILE } from './fixture.ts';

const TOKEN = 'token-0123456789';
const NAMESPACE = 'orders.acct';

export const startFailoverWorld = async (): Promise<StepWorld<'temporal.failover'>> => {
  const cloud = await startFakeCloud();
  cloud.namespaces.set(NAMESPACE, tenant());
  const passedOn = async ({ method, path, headers, body }: Asked): Promise<Said> => {
    const { host: _, connection: __, 'content-length': ___, 'transfer-encoding': ____, ...rest } = headers;
    const reply = await fetch(`${cloud.url}${path}`, { method, headers: rest, ...(method === 'GET' ? {} : { body }) });
    return { status: reply.status, text: await reply.text(), headers: { 'content-type': reply.headers.get('content-type') ?? '' } };
  };
  const front = await startFront(passedOn);
  return {
    spec: { system: 'cloud', namespaces: [NAMESPACE], to: 'aws-eu-west-1', parallel: 5, stopAfter: 3 },
    systems: { cloud: { kind: 'temporal-cloud', url: front.url, tokenFile: TOKEN_FILE } },
    files: { [TOKEN_FILE]: TOKEN },
    secrets: [TOKEN],
    settle: () => {
      for (const operation of cloud.operations.values()) {
        operation.left = 0;
        cloud.namespaces.get(operation.namespace)!.active = operation.region;
      }
    },
    effects: () => cloud.begun.length,
    meets: front.meets,
    asked: front.asked,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await cloud[Symbol.asyncDispose]();
    },
  };
};
