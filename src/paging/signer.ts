// The secrets of Standard Webhooks, for what is sent and for what is taken: from a file, registered so that no log repeats it.
import { Webhook } from 'standardwebhooks';
import { sha256 } from '../audit/canonical.ts';
import { Fault } from '../errors.ts';
import { registerSecret } from '../log.ts';
import { dateOf } from '../ports.ts';

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

/** An id in the alphabet of the specification, which has no dot: the signature is over `id.timestamp.body`. */
export const webhookId = (id: string): string => {
  const safe = id.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 200);
  return safe === id ? id : `${safe}_${sha256(id).slice(0, 12)}`;
};

/** Headers of what is sent at `wallMs`. While a secret is being replaced every one of them signs, and the receiver may hold either. */
export const signedHeaders = (signers: readonly Webhook[], id: string, wallMs: number, body: string): Readonly<Record<string, string>> => {
  const at = dateOf(wallMs);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': signers.map((signer) => signer.sign(id, at, body)).join(' '),
  };
};
