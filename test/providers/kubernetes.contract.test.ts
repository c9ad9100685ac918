// The contract over the stand-in. The same harness runs over a real API server: `npm run test:system -- kubernetes`.
import { providerContract } from '../contract/provider.contract.ts';
import { kubernetesHarness, standInWorld } from './kubernetes.fixture.ts';

providerContract('kubernetes, an HTTPRoute, on the stand-in', () => kubernetesHarness('httpRoute', standInWorld), ['batch', 'quota']);
providerContract('kubernetes, a Deployment per pool, on the stand-in', () => kubernetesHarness('deployments', standInWorld), [
  'batch',
  'quota',
]);
