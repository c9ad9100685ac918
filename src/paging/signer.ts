// The secrets of Standard Webhooks, for what is sent and for what is taken: from a file, registered so that no log repeats it.
import { Webhook } from 'standardwebhooks';
import { Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';

const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

/** `of`: what it is the secret of, for the sentence. Throws ERR_SECRET when the text cannot sign; never repeats it. */
export const signerOf = (of: string, file: string, text: string): Webhook => {
  const secret = text.trim();
  registerSecret(secret);
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const bytes = Buffer.from(base64 ?? '', 'base64').length;
  if (bytes >= SECRET_BYTES_MIN && bytes <= SECRET_BYTES_MAX) return new Webhook(secret);
  throw new Fault(
    'ERR_SECRET',
    `${file}: the secret of ${of} must be whsec_ and the base64 of ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes; ` +
      `make one with: printf 'whsec_%s\\n' "$(openssl rand -base64 32)" > ${file}`,
  );
};
