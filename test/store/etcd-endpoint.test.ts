// Which endpoints the etcd store accepts, before anything is connected to.
import { expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { type EtcdOptions, openEtcd } from '../../src/store/etcd/index.ts';

const ports = realPorts();
const open = (options: Partial<EtcdOptions>) => openEtcd({ endpoints: [], prefix: '/tidegate/x/', timeoutMs: 1000, ports, ...options });

const refusal = (options: Partial<EtcdOptions>): Fault => {
  try {
    void open(options).close();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

test.each([
  ['no endpoint at all', [], /at least one endpoint/],
  ['a text that is no URL', ['etcd-1:2379'], /https:\/\/ with a host and a port/],
  ['another scheme', ['tcp://127.0.0.1:2379'], /https:\/\/ with a host and a port/],
  ['a path', ['https://127.0.0.1:2379/v3'], /https:\/\/ with a host and a port/],
  ['plain http to another machine', ['http://192.0.2.1:2379'], /plain http goes to loopback only/],
  ['plain http to a name', ['http://etcd.test:2379'], /plain http goes to loopback only/],
  ['plain http to a name that begins like loopback', ['http://127.example.net:2379'], /plain http goes to loopback only/],
  ['a name, with nobody to resolve it', ['https://etcd.test:2379'], /no resolver is configured/],
  ['the second of two', ['http://127.0.0.1:2379', 'http://192.0.2.1:2379'], /192\.0\.2\.1.*loopback only/],
])('%s is refused', (_, endpoints, says) => {
  const { code, message } = refusal({ endpoints });
  expect(code).toBe('ERR_CONFIG');
  expect(message).toMatch(says);
});

test('a password in an endpoint is refused and not repeated', () => {
  expect(refusal({ endpoints: ['https://root:swordfish@127.0.0.1:2379'] }).message).not.toMatch(/swordfish|root/);
});

test('certificates that are none are refused when the store is opened, not when it is used', () => {
  const tls = { caPem: '-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n' };
  expect(refusal({ endpoints: ['https://127.0.0.1:2379'], tls }).message).toMatch(/store\.tls/);
  const half = { certPem: 'not one', keyPem: 'not one' };
  expect(refusal({ endpoints: ['https://127.0.0.1:2379'], tls: half }).message).toMatch(/store\.tls/);
});

test.each(['', 'tidegate', '/tide gate/', '/tidegate/é/'])('the prefix %j is refused', (prefix) => {
  expect(refusal({ endpoints: ['http://127.0.0.1:2379'], prefix }).message).toMatch(/store\.prefix/);
});
