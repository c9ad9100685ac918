// Notices as the pager makes them, for tests of channels: the same at every run, so that bodies can be held against files.
import type { Action, Notice } from '../../src/paging/channel.ts';
import { pageOf } from './fixture.ts';

export const AT_MS = Date.UTC(2026, 10, 26, 3, 12, 0, 250);

export const noticeFor = (
  action: Action,
  given: Partial<Omit<Notice, 'page' | 'action'>> & { page?: Partial<Notice['page']> } = {},
): Notice => {
  const { page, ...rest } = given;
  const ends = action === 'resolve';
  return {
    page: pageOf(ends ? '45-incident_resolved-inc-41' : '41-region_drained-inc-41', {
      dedupKey: 'tidegate/prod/inc-41',
      type: ends ? 'incident.resolved' : 'region.drained',
      severity: action === 'trigger' ? 'critical' : 'info',
      detail: { region: 'eu-west', services: ['web.example.com'] },
      atMs: ends ? AT_MS + 600_000 : AT_MS,
      v: ends ? 45 : 41,
      ...page,
    }),
    action,
    cluster: 'prod',
    headline: ends
      ? 'eu-west carries its full share again, 600 s after it was drained'
      : 'eu-west down: 3 of 4 vantages (needs 3); web.example.com moved to us-east; no action needed',
    facts: [
      ['Detected in', '6.1 s'],
      ['Converged in', ends ? '41 s of 60 s' : 'under way'],
    ],
    link: 'https://tidegate.example.net/v1/decisions/41',
    ...rest,
  };
};
