// Is a deployment out and does it work: looked at by the replica that is asked, with its own systems. It writes nothing, and what it costs those around is bounded
// whoever asks: one round at a time, none longer than ten seconds, the last one answered again while it is young. So whoever may read may ask, and a gate of a
// pipeline holds no token that could move anything.
import { Fault } from '../../errors.ts';
import { platformNamed } from '../../runbook/reader.ts';
import { json, ref } from '../openapi.ts';
import { BodyFault } from '../problem.ts';
import { type ApiRoute, configured, type RouteOptions } from '../route.ts';

const REPORT = {
  platform: 'shop',
  outcome: 'not-good',
  by: { region: 'eu-west', replica: 'a' },
  atMs: 1_795_316_400_000,
  lines: [
    { step: 'migration', of: 'Job app/migrate', region: 'eu-west', is: 'ok', because: 'Job app/migrate has succeeded', fix: '' },
    {
      step: 'rollout',
      of: 'Deployment app/worker',
      region: 'eu-west',
      is: 'waiting',
      because: 'app/worker is not out: 2 of 6 new, 6 available, 8 in all',
      fix: 'wait, or look: kubectl -n app rollout status deployment/worker',
    },
  ],
};

export const verifyRoutes = ({ view, verify }: Pick<RouteOptions, 'view' | 'verify'>): readonly ApiRoute[] => [
  {
    method: 'GET',
    url: '/v1/platforms/:name/verify',
    needs: 'viewer',
    schema: {
      operationId: 'verifyPlatform',
      summary: 'Whether a deployment is out and works, as the replica that is asked sees it',
      description:
        'Looks with the systems of its own file and writes nothing. One round at a time on one replica, of ten seconds at most; what it did not get to is unknown. Of the same question the last round is answered again for five seconds; other questions are told to come again (429). 200 whatever is found: read `outcome`.',
      tags: ['platforms'],
      params: { type: 'object', properties: { name: { type: 'string', description: 'The name of the platform.', examples: ['shop'] } } },
      querystring: {
        type: 'object',
        properties: { region: { type: 'string', description: 'Only what is in this region of the platform.', examples: ['eu-west'] } },
      },
      response: { 200: json(ref('VerifyReport'), { underWay: REPORT }) },
    },
    async handler({ params, query }) {
      const cluster = configured(view.cluster());
      if (verify === undefined) throw new Fault('ERR_NOT_FOUND', 'nothing is offered at this path: this replica looks at no deployments');
      const platform = platformNamed(cluster, params.name ?? '');
      const { region } = query;
      if (region !== undefined && !platform.regions.includes(region)) {
        const detail = `is a region of platform ${platform.name}: ${platform.regions.join(', ')}; found "${region.slice(0, 40)}"`;
        throw new BodyFault([{ pointer: '/region', detail }]);
      }
      return verify.verify(cluster, platform, region === undefined ? platform.regions : [region]);
    },
  },
];
