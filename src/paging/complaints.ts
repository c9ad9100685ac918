// What is the matter with a channel, told through the others: that it has taken nothing for long, that it takes pages again, that it refused one for good.
// What is said of a channel never goes by that channel (routing.ts).
import type { DeadLetter, Page } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { Report } from './report.ts';
import type { Standing } from './sender.ts';

/** A channel that has failed for so long is told of. */
const FAILING_MS = 5 * 60_000;

export interface Complaints {
  /** Looks at how the channels stand: call it now and then. */
  look(standing: readonly Standing[]): void;
  deadLetter(page: Page, channel: string, letter: DeadLetter): void;
}

export interface ComplaintsOptions {
  ports: Pick<Ports, 'clock'>;
  report: (report: Report) => void;
}

export const createComplaints = ({ ports, report }: ComplaintsOptions): Complaints => {
  const told = new Set<string>();
  const begin = (channel: string, failing: string, forMs: number): void => {
    told.add(channel);
    const summary = `channel ${channel} has taken no page for ${Math.round(forMs / 60_000)} min: ${failing}; they go by the others meanwhile`;
    report({
      type: 'paging.channel_failing',
      severity: 'warning',
      subject: `channel-${channel}`,
      again: true,
      summary,
      detail: { channel },
    });
  };
  const end = (channel: string): void => {
    if (!told.delete(channel)) return;
    const summary = `channel ${channel} takes pages again`;
    report({ type: 'paging.channel_ok', severity: 'info', subject: `channel-${channel}`, again: true, summary, detail: { channel } });
  };
  return {
    look(standing) {
      for (const { name, failing, failingSinceMs } of standing) {
        if (failing === null || failingSinceMs === null) {
          end(name);
          continue;
        }
        const forMs = ports.clock.monoMs() - failingSinceMs;
        if (forMs >= FAILING_MS && !told.has(name)) begin(name, failing, forMs);
      }
    },
    deadLetter({ id, type }, channel, { because }) {
      if (type.startsWith('paging.')) return;
      report({
        type: 'paging.dead_letter',
        severity: 'warning',
        subject: `dead-letter-${channel}`,
        summary: `channel ${channel} does not take pages: ${because}; ${id} is a dead letter there (tidegate pages)`,
        detail: { channel, page: id },
      });
    },
  };
};
