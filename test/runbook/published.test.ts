// What our own proto and fakes say of others' protocols, held to what the vendor publishes (in the package of Temporal's protos, which has gRPC's health too).
import { join } from 'node:path';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { grpc, temporal } from '@temporalio/proto';
import { expect, test } from 'vitest';
import { startHarness } from '../contract/step.contract.ts';
import { startCodecWorld } from './codec/world.ts';

test('gRPC health: the same path, bytes and numbers', () => {
  const proto = join(import.meta.dirname, '../../src/runbook/grpc/health.proto');
  const check = (loadSync(proto, { enums: String })['grpc.health.v1.Health'] as ServiceDefinition).Check!;
  expect(check.path).toBe('/grpc.health.v1.Health/Check');
  const { HealthCheckRequest, HealthCheckResponse } = grpc.health.v1;
  expect(check.requestSerialize({ service: 'orders' })).toEqual(Buffer.from(HealthCheckRequest.encode({ service: 'orders' }).finish()));
  for (const [name, number] of Object.entries(HealthCheckResponse.ServingStatus).filter(([, value]) => typeof value === 'number')) {
    const bytes = Buffer.from(HealthCheckResponse.encode({ status: number as number }).finish());
    expect(check.responseDeserialize(bytes), name).toEqual(number === 0 ? {} : { status: name });
  }
});

test('codec: what is sent and answered are payloads', async () => {
  await using h = await startHarness('codec.canary', startCodecWorld);
  await h.world.settle();
  expect(await h.read()).toMatchObject({ is: 'reached' });
  const { Payloads } = temporal.api.common.v1;
  for (const { body } of h.world.front.told) {
    const json = JSON.parse(body) as { payloads: { data: string }[] };
    const { payloads } = Payloads.fromObject(json);
    expect(Object.keys(json)).toEqual(['payloads']);
    expect(Object.keys(json.payloads[0]!).sort()).toEqual(['data', 'metadata']);
    expect(Buffer.from(payloads[0]!.metadata!.encoding!).toString()).toMatch(/^binary\/(plain|encrypted)$/);
    expect(Buffer.from(payloads[0]!.data!).toString('base64')).toBe(json.payloads[0]!.data);
  }
});
