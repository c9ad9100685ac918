// AWS Signature Version 4 as a server checks it: which key signed, and whether it signed this very request. Pure.
import { createHash, createHmac } from 'node:crypto';

export interface SignedRequest {
  method: string;
  /** As it came over the wire, with its query. */
  url: string;
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  body: string;
}

export interface AccessKey {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** null: signed by this key. Otherwise AWS's code for what is wrong. */
export const signatureTrouble = (request: SignedRequest, key: AccessKey): string | null => {
  const header = (name: string): string => [request.headers[name] ?? ''].flat().join(',');
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    );
  if (match === null) return 'MissingAuthenticationToken';
  const [, accessKeyId, day, region, service, names, signature] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (accessKeyId !== key.accessKeyId) return 'InvalidClientTokenId';
  if ((key.sessionToken ?? '') !== header('x-amz-security-token')) return 'InvalidClientTokenId';
  const [path = '', query = ''] = request.url.split('?');
  const canonical = [
    request.method,
    path.split('/').map(encodeURIComponent).join('/'),
    query.split('&').filter(Boolean).toSorted().join('&'),
    ...names.split(';').map((name) => `${name}:${header(name).trim().replace(/ +/g, ' ')}`),
    '',
    names,
    sha256(request.body),
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', header('x-amz-date'), scope, sha256(canonical)].join('\n');
  const signing = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (by, part) => hmac(by, part),
    `AWS4${key.secretAccessKey}`,
  );
  return hmac(signing, toSign).toString('hex') === signature ? null : 'SignatureDoesNotMatch';
};
