// The route has left a region, and users with it as far as that is measured. What is not measured is said, and not waited for.
import type { StepKind } from '../kind.ts';
import { staying } from './staying.ts';

export const routeWait: StepKind<'route.wait'> = {
  kind: 'route.wait',
  signal: 'gate',

  async read({ services, from }, { context }) {
    const looks = await context.routing.look(services, from);
    const because = staying(looks, from);
    if (because !== null) return { is: 'pending', because };
    const late = looks.filter(({ landed }) => landed === false);
    if (late.length > 0)
      return { is: 'pending', because: late.map(({ service, because }) => `users of ${service} are still there: ${because}`).join('; ') };
    const blind = looks.filter(({ landed }) => landed === null).map(({ service }) => service);
    return {
      is: 'reached',
      because: `the route has left ${from}${blind.length === 0 ? ', and users with it' : `; users are not measured of ${blind.join(', ')}`}`,
    };
  },
};
