// An address that is a secret by itself, as chat tools give them out: from a file, registered so that no log repeats it.
import { isLoopbackHost } from '../config/fields.ts';
import { Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';
import type { ChannelContext } from './channel.ts';

/** Throws ERR_SECRET when the file holds no https:// address (http:// is taken for this machine only). Never repeats what it holds. */
export const secretUrl = (name: string, file: string, context: Pick<ChannelContext, 'secret'>): URL => {
  const text = context.secret(file).trim();
  registerSecret(text);
  const url = URL.canParse(text) ? new URL(text) : null;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (url !== null && isSafe && url.username === '' && url.password === '') {
    // What is secret of it travels in its path and query.
    if (url.pathname.length > 8) registerSecret(url.pathname);
    return url;
  }
  throw new Fault(
    'ERR_SECRET',
    `${file}: expected the https:// address of channel ${name}, alone in the file; copy it from where it was made`,
  );
};
