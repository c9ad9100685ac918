// The few words that all channels for people share. Pure.
import type { Severity } from '../model.ts';
import type { Notice } from './channel.ts';
import { line } from './fit.ts';

const SEVERITIES: Readonly<Record<Severity, string>> = { critical: 'Critical', warning: 'Warning', info: 'Info' };

/** The word before the headline: how bad it is, or that it is over, or that nobody is asked for. */
export const headOf = ({ action, page }: Notice): string =>
  action === 'resolve'
    ? 'Resolved'
    : action === 'acknowledge'
      ? 'Acknowledged'
      : action === 'change'
        ? 'Notice'
        : SEVERITIES[page.severity];

/** The first line for people, 1 to `unitsMax` UTF-16 units: receivers refuse an empty one, and with it the page. */
export const headlineOf = ({ headline }: Notice, unitsMax: number): string => line(headline, unitsMax).trim() || 'a page without words';

const LINK_CHARS_MAX = 1_000;

/** Where the notice's decision can be read, as an address that needs no escaping; null where there is none, or one that no channel could show whole. */
export const linkOf = ({ link }: Notice): string | null => {
  const url = link !== null && URL.canParse(link) ? new URL(link) : null;
  const text = url?.href.replaceAll('|', '%7C').replaceAll("'", '%27') ?? '';
  return url !== null && ['https:', 'http:'].includes(url.protocol) && text.length <= LINK_CHARS_MAX ? text : null;
};
