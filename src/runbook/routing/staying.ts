// Whether a route has left a region, as it is decided and written. Pure.
import type { Routing } from '../kind.ts';

/** Why users still go there by what is decided and written; null: none do. */
export const staying = (looks: Awaited<ReturnType<Routing['look']>>, region: string): string | null => {
  const shared = looks.filter(({ share }) => share > 0);
  if (shared.length > 0)
    return shared.map(({ service, share, because }) => `${service} gives ${region} ${share / 10} %: ${because}`).join('; ');
  const unwritten = looks.filter(({ mode }) => mode !== 'auto');
  return unwritten.length === 0
    ? null
    : unwritten
        .map(({ service, mode }) => `${service} is in ${mode}: that it leaves ${region} is decided, and nobody writes it`)
        .join('; ');
};
