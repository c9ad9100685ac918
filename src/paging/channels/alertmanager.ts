// Alertmanager, API v2. The same labels are the same alert there, so labels hold only what a key keeps for its life: whatever may change is an annotation.
// The severity is the exception, since routes there need it: a notice fires the alert of its severity and ends those of the others, so that one key has one
// alert at a time, whatever was sent before and by whom. A region is no label, for a key may grow beyond one: route by region here, and give each channel
// labels of its own.
// Members of a cluster tell each other what they have sent, not which alerts there are: each gets every alert. One that did not is told by `repeat`, which
// it needs anyway: Alertmanager takes an alert that is not said again for ended, here after 4 min.
import { registerSecret } from '../../log.ts';
import type { Severity } from '../../model.ts';
import { isoTime } from '../../ports.ts';
import { aboutOf } from '../about.ts';
import type { Action, Channel, ChannelContext, Delivery, Notice } from '../channel.ts';
import { keyWithin, line } from '../fit.ts';
import type { ChannelConfigs } from '../index.ts';
import { createPoster, judged, tryOnce } from '../post.ts';
import { headlineOf, linkOf } from '../wording.ts';

type Config = ChannelConfigs['alertmanager'];

const REPEAT_EVERY_MS = 60_000;
/** From each telling on: three repeats may be lost before an alert ends there by itself. */
export const LASTS_MS = 240_000;
const RESOLVED_FOR_MS = 300_000;
/** An end lies so far back that a member whose clock is behind does not take it for an alert that is still to end. */
const END_BACK_MS = 10_000;
/** Notices in one POST of `repeat`. */
const BATCH_MAX = 64;
/** To one member: beyond, it is left to `repeat`, so that a storm does not pile up before a member that hangs. */
const UNDER_WAY_MAX = 8;
const MEMBERS_NAMED_MAX = 3;
/** No limits are documented; what is longer would be no name and no sentence. */
const NAME_CHARS_MAX = 255;
const TEXT_CHARS_MAX = 1_000;
const SEVERITIES: readonly Severity[] = ['critical', 'warning', 'info'];

/** `postableAlert` of the API. */
export interface Alert {
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  startsAt: string;
  endsAt: string;
  generatorURL?: string;
}

const annotationsOf = (notice: Notice): Readonly<Record<string, string>> => {
  const { page, facts } = notice;
  const [region] = aboutOf(page).regions;
  return {
    summary: headlineOf(notice, TEXT_CHARS_MAX),
    description: facts.map(([label, value]) => line(`${label}: ${value}`, TEXT_CHARS_MAX)).join('\n'),
    type: line(page.type, NAME_CHARS_MAX),
    id: line(page.id, NAME_CHARS_MAX),
    ...(region === undefined ? {} : { region: line(region, NAME_CHARS_MAX) }),
  };
};

const identityOf = ({ page, cluster }: Notice, severity: Severity, extra: Config['labels']): Readonly<Record<string, string>> => ({
  ...extra,
  alertname: 'Tidegate',
  cluster: line(cluster, NAME_CHARS_MAX),
  key: keyWithin(page.dedupKey, NAME_CHARS_MAX),
  severity,
});

const isTold = (action: Action): boolean => action === 'trigger' || action === 'resolve';

/** Alerts of a notice of `trigger` or `resolve`, as they are told at `nowMs`: at most one of them is firing. */
export const alertsOf = (notice: Notice, extra: Config['labels'], nowMs: number): readonly Alert[] => {
  const { atMs } = notice.page;
  const link = linkOf(notice);
  // Cluster time may be ahead of this replica's clock; an alert that begins after its end would be refused.
  const lastsUntilMs = Math.max(nowMs, atMs) + LASTS_MS;
  return SEVERITIES.map((severity) => {
    const fires = notice.action === 'trigger' && severity === notice.page.severity;
    return {
      labels: identityOf(notice, severity, extra),
      annotations: annotationsOf(notice),
      startsAt: isoTime(fires ? atMs : atMs - END_BACK_MS),
      endsAt: isoTime(fires ? lastsUntilMs : atMs - END_BACK_MS),
      ...(link === null ? {} : { generatorURL: link }),
    };
  });
};

/** What `repeat` says, in bodies of a bearable size. Of an alert that goes on, the ends of its other severities are said for as long as any end is. */
const batchesOf = (notices: readonly Notice[], extra: Config['labels'], nowMs: number): readonly (readonly Alert[])[] => {
  const said = notices
    .filter(({ action }) => isTold(action))
    .map((notice) => {
      const alerts = alertsOf(notice, extra, nowMs);
      const isOld = notice.action === 'trigger' && nowMs - notice.page.atMs > RESOLVED_FOR_MS;
      return isOld ? alerts.filter(({ labels }) => labels.severity === notice.page.severity) : alerts;
    });
  return Array.from({ length: Math.ceil(said.length / BATCH_MAX) }, (_, n) => said.slice(n * BATCH_MAX, (n + 1) * BATCH_MAX).flat());
};

const endpointOf = (url: string): URL => new URL('api/v2/alerts', url.endsWith('/') ? url : `${url}/`);

const credentialsOf = ({ user }: Config, context: ChannelContext): Readonly<Record<string, string>> => {
  if (user === undefined) return {};
  const password = context.secret(user.passwordFile).trim();
  registerSecret(password);
  return { authorization: `Basic ${Buffer.from(`${user.name}:${password}`).toString('base64')}` };
};

type Failure = Extract<Delivery, { sent: false }>;

/** What is told of members that all failed. */
const failureOfAll = (deliveries: readonly Delivery[]): Failure => {
  const failures = deliveries.filter((delivery): delivery is Failure => !delivery.sent);
  const named = failures.slice(0, MEMBERS_NAMED_MAX).map(({ because }) => because);
  const more = failures.length - named.length;
  const asked = failures.flatMap((failure) => (failure.retry ? (failure.afterMs ?? []) : []));
  return {
    sent: false,
    retry: true,
    because: `no member took it: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
    // One that asks for no wait may take it at once.
    ...(asked.length === failures.length ? { afterMs: Math.min(...asked) } : {}),
  };
};

interface Member {
  url: URL;
  /** Why it did not take what it was last told; null: it did, or was told nothing yet. */
  failing: string | null;
  underWay: number;
}

/** Opens no connection. Throws ERR_SECRET when the password's file cannot be used. */
export const openAlertmanager = (config: Config, context: ChannelContext): Channel => {
  const { ports, log } = context;
  const members = config.urls.map((url): Member => ({ url: endpointOf(url), failing: null, underWay: 0 }));
  const headers = credentialsOf(config, context);
  // Not guarded: a member is inside by nature, and its address comes from the configuration alone.
  const post = createPoster(config, context, { guarded: false });
  const stopping = new AbortController();
  const underWay = new Set<Promise<unknown>>();

  const note = (member: Member, delivery: Delivery): void => {
    const told = { channel: config.name, member: member.url.host };
    const wasFailing = member.failing !== null;
    member.failing = delivery.sent ? null : delivery.because;
    if (stopping.signal.aborted) return;
    if (delivery.sent && wasFailing) log.info('page.member_back', told);
    if (!delivery.sent && !wasFailing) log.warn('page.member_failing', { ...told, because: delivery.because });
  };

  const send = async ({ url }: Member, body: string, signal: AbortSignal): Promise<Delivery> =>
    tryOnce(
      post,
      { url, headers, body },
      (reply) => {
        const delivery = judged(reply);
        return delivery.sent ? delivery : { ...delivery, because: `${url.host}: ${delivery.because}` };
      },
      signal,
    );

  const tell = async (member: Member, alerts: readonly Alert[], signal: AbortSignal): Promise<Delivery> => {
    if (member.underWay >= UNDER_WAY_MAX)
      return { sent: false, retry: true, because: `${member.url.host}: earlier alerts are still under way` };
    member.underWay += 1;
    const delivery = await send(member, JSON.stringify(alerts), AbortSignal.any([signal, stopping.signal]));
    member.underWay -= 1;
    note(member, delivery);
    return delivery;
  };

  /** Answers as soon as one member has taken them. The others go on until they have, or failed, or the channel closes. */
  const tellFirst = async (alerts: readonly Alert[], signal: AbortSignal): Promise<Delivery> => {
    const tellings = members.map((member) => tell(member, alerts, signal));
    const all = Promise.all(tellings);
    underWay.add(all);
    void all.then(() => underWay.delete(all));
    const taken = tellings.map(async (telling) => {
      const delivery = await telling;
      return delivery.sent ? delivery : Promise.reject(new Error(delivery.because));
    });
    return Promise.any(taken).catch(async () => failureOfAll(await all));
  };

  /** In order; a member that fails once is left alone until the next turn. */
  const tellInTurn = async (member: Member, batches: readonly (readonly Alert[])[], signal: AbortSignal): Promise<Delivery> => {
    let delivery: Delivery = { sent: true, receipt: 'nothing to say' };
    for (const batch of batches) if (delivery.sent) delivery = await tell(member, batch, signal);
    return delivery;
  };

  return {
    name: config.name,
    places: members.map(({ url }) => url.origin),
    async deliver(notice, signal) {
      if (!isTold(notice.action)) return { sent: true, receipt: 'not sent: Alertmanager knows alerts that fire and alerts that ended' };
      return tellFirst(alertsOf(notice, config.labels, ports.clock.wallMs()), signal);
    },
    repeat: {
      everyMs: REPEAT_EVERY_MS,
      resolvedForMs: RESOLVED_FOR_MS,
      async tell(firing, resolved, signal) {
        const batches = batchesOf([...firing, ...resolved], config.labels, ports.clock.wallMs());
        const deliveries = await Promise.all(members.map((member) => tellInTurn(member, batches, signal)));
        if (!deliveries.some(({ sent }) => sent)) throw new Error(failureOfAll(deliveries).because);
      },
    },
    async close() {
      stopping.abort(new Error('this process is stopping'));
      await Promise.all(underWay);
    },
  };
};
