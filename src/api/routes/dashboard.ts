// The operator's page and its files: static and without secrets, so open to anybody. What it shows it asks from the API, with the reader's own credentials.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Asset, openAssets, type PageAssets } from '../../dashboard/assets.ts';
import { plainPage } from '../../dashboard/plain.ts';
import { Fault } from '../../errors.ts';
import { type Encoded, encodedText, sendEncoded, takesGzip } from '../encoded.ts';
import type { ApiRoute, RouteOptions } from '../route.ts';
import type { StatusDocument } from '../status.ts';

const CLOSED = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'hid',
  'microphone',
  'midi',
  'payment',
  'serial',
  'usb',
];
const YEAR_S = 365 * 24 * 3600;

/** Of whatever a browser shows. Everything is revalidated, so that a page of one version never meets a module of another. */
export const documentHeaders = (request: FastifyRequest, policy: readonly string[]): Readonly<Record<string, string>> => ({
  'cache-control': 'no-cache',
  'content-security-policy': ["default-src 'none'", ...policy, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"].join(
    '; ',
  ),
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': CLOSED.map((name) => `${name}=()`).join(', '),
  ...(request.protocol === 'https' ? { 'strict-transport-security': `max-age=${YEAR_S}` } : {}),
});

/** RFC 9110 13.1.2, for the two tags that an asset has. */
const isKnown = (shown: string | undefined, etags: readonly string[]): boolean =>
  (shown ?? '').split(',').some((part) => part.trim() === '*' || etags.includes(part.trim().replace(/^W\//, '')));

const MAP = '.map';

const sendAsset = async (request: FastifyRequest, reply: FastifyReply, asset: Asset): Promise<FastifyReply> => {
  const { plain, zipped, etag, map } = await asset.made();
  const zippedEtag = etag.replace(/"$/, '-gzip"');
  const isZipped = takesGzip(request.headers['accept-encoding']);
  void reply.type(asset.type).headers({ 'cache-control': 'no-cache', vary: 'accept-encoding', etag: isZipped ? zippedEtag : etag });
  // A browser asks for it when somebody opens its tools.
  if (map !== null) void reply.header('sourcemap', `${request.url}${MAP}`);
  if (isKnown(request.headers['if-none-match'], [etag, zippedEtag])) return reply.code(304).send();
  return isZipped ? reply.header('content-encoding', 'gzip').send(zipped) : reply.send(plain);
};

/** Zipped whoever asks: a browser's tools do. */
const sendMap = (reply: FastifyReply, map: Buffer): FastifyReply =>
  reply.type('application/json').headers({ 'cache-control': 'no-cache', 'content-encoding': 'gzip' }).send(map);

const pagePolicy = ({ importMapHash }: PageAssets, peers: readonly string[]): readonly string[] => [
  `script-src 'self' '${importMapHash}'`,
  "style-src 'self'",
  "img-src 'self' data:",
  `connect-src ${["'self'", ...peers].join(' ')}`,
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
];

const text = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: { type: 'string' }, examples: { beginning: { value: '' } } } },
});
const UNCHANGED = { description: 'It is still as If-None-Match says.', content: {} };

const HTML = 'text/html; charset=utf-8';
const pages = new WeakMap<StatusDocument, Encoded>();

/** Of one document one page, however many ask. */
const plainOf = (status: StatusDocument | null): Encoded => {
  if (status === null) return encodedText(plainPage(null));
  const page = pages.get(status) ?? encodedText(plainPage(status));
  pages.set(status, page);
  return page;
};

export const dashboardRoutes = ({ view, dashboard }: RouteOptions): readonly ApiRoute[] => {
  const assets = openAssets();
  const peers = Object.values(dashboard?.peers ?? {});
  return [
    {
      method: 'GET',
      url: '/',
      needs: null,
      schema: {
        operationId: 'page',
        summary: "The operator's page, for browsers",
        tags: ['dashboard'],
        response: { 200: text('text/html', 'The page.'), 304: UNCHANGED },
      },
      handler(request, reply) {
        void reply.headers(documentHeaders(request, pagePolicy(assets, peers)));
        return sendAsset(request, reply, assets.page);
      },
    },
    {
      method: 'GET',
      url: '/assets/*',
      needs: null,
      schema: {
        operationId: 'asset',
        summary: 'A file of the page',
        tags: ['dashboard'],
        params: { type: 'object', properties: { path: { type: 'string', description: 'As the page names it.', examples: ['style.css'] } } },
        response: { 200: text('text/css', 'A style, a module or an image.'), 304: UNCHANGED },
        refusals: ['ERR_NOT_FOUND'],
      },
      async handler(request, reply) {
        const path = request.params['*'] ?? '';
        const isMap = path.endsWith(MAP);
        const asset = assets.files.get(isMap ? path.slice(0, -MAP.length) : path);
        const map = isMap ? ((await asset?.made())?.map ?? null) : null;
        if (asset === undefined || (isMap && map === null))
          throw new Fault('ERR_NOT_FOUND', 'the page has no such file; GET / names those that it has');
        return map === null ? sendAsset(request, reply, asset) : sendMap(reply, map);
      },
    },
    {
      method: 'GET',
      url: '/status',
      needs: 'viewer',
      byPassword: true,
      schema: {
        operationId: 'plainStatus',
        summary: 'The whole state as a page without a script',
        description: 'Asks for HTTP Basic where a token is needed: any name, and the token as the password.',
        tags: ['dashboard'],
        response: { 200: text('text/html', 'The state.') },
      },
      async handler(request, reply) {
        void reply.headers({ ...documentHeaders(request, ["style-src 'self'"]), 'cache-control': 'no-store' });
        return sendEncoded(request, reply, plainOf(await view.glance()), HTML);
      },
    },
  ];
};
