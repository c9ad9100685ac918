// How the chain of language models is told: what was seen last and when; what is old, or could not be read, is never told as known.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LlmRecord } from '../../src/llm/chain.ts';
import { LLM_OLD_MS, llmViewOf } from '../../src/llm/view.ts';
import { NOW_MS } from '../api/fixture.ts';
import { CHAIN, on } from '../api/platforms.fixture.ts';
import { EAST, WEST } from '../runbook/platforms.ts';

const west = (record: LlmRecord | null, config = CHAIN, nowMs = NOW_MS) => llmViewOf(config, record, nowMs).regions[0];
const looked = (provider: string | null, because: string, agoMs = 20_000): LlmRecord =>
  on('azure', 'openrouter', { looks: { [WEST]: { provider, because, atMs: NOW_MS - agoMs } } });

test('the provider of each region, its place in the chain, since when, and how old the look is', () => {
  expect(llmViewOf(CHAIN, on('azure', 'openrouter', { told: [`degraded ${WEST}`] }), NOW_MS)).toEqual({
    chain: ['openrouter', 'azure'],
    churn: CHAIN.churn,
    regions: [
      {
        region: WEST,
        provider: 'azure',
        position: 2,
        sinceAtMs: NOW_MS - 720_000,
        switches: 0,
        known: true,
        lookedAtMs: NOW_MS - 20_000,
        because: 'on azure, 2 of 2',
      },
      expect.objectContaining({ region: EAST, provider: 'openrouter', position: 1, because: 'on openrouter, 1 of 2' }),
    ],
    alarms: [{ is: 'degraded', region: WEST }],
  });
});

describe('what is not known', () => {
  test('a document that could not be read: with the reason, and what was known last', () => {
    expect(west(looked(null, 'the document says no llm.active'))).toMatchObject({
      known: false,
      provider: 'azure',
      because: 'not known: the document says no llm.active; last on azure, 2 of 2',
    });
  });

  test('a look that is old, since whoever looks is gone', () => {
    expect(west(looked('azure', 'on azure', LLM_OLD_MS))).toMatchObject({ known: true });
    expect(west(looked('azure', 'on azure', LLM_OLD_MS + 1))).toMatchObject({
      known: false,
      because: 'not known: not looked at for 2 min; last on azure, 2 of 2',
    });
  });

  test('a provider that the chain has no more, a region that nobody looked at, no record at all, one of an earlier version', () => {
    expect(west(looked('azure', 'on azure'), { ...CHAIN, chain: ['openrouter', 'bedrock'] })).toMatchObject({
      known: false,
      position: null,
    });
    expect(west({ ...on('azure', 'azure'), looks: {} })).toMatchObject({ known: false, lookedAtMs: null });
    expect(west(null)).toMatchObject({ known: false, provider: null, because: 'not known: not looked at yet' });
    const { looks: _, ...earlier } = on('azure', 'azure');
    expect(west(earlier)).toMatchObject({ known: false, because: 'not known: not looked at yet; last on azure, 2 of 2' });
  });
});

test('switches count within the window, and alarms of regions that are asked no more are not told', () => {
  const record = on('azure', 'azure', {
    switches: { [WEST]: [NOW_MS - 600_000, NOW_MS - 599_999, NOW_MS - 1] },
    told: ['degraded mars', 'churn eu-west', 'last', 'odd'],
  });
  expect(west(record)?.switches).toBe(2);
  expect(llmViewOf(CHAIN, record, NOW_MS).alarms).toEqual([
    { is: 'churn', region: WEST },
    { is: 'last', region: null },
  ]);
});

test('known is only what a fresh look saw, whatever the record says', () => {
  const provider = fc.constantFrom('openrouter', 'azure', 'gone', null);
  fc.assert(
    fc.property(provider, provider, fc.integer({ min: 0, max: 400_000 }), (was, saw, agoMs) => {
      const regions = was === null ? {} : { [WEST]: { provider: was, sinceAtMs: NOW_MS - 9 } };
      const record: LlmRecord = {
        regions,
        switches: {},
        told: [],
        looks: { [WEST]: { provider: saw, because: 'said', atMs: NOW_MS - agoMs } },
        nonce: 'n',
      };
      const view = west(record);
      if (view?.known !== true) return;
      expect([saw !== null, agoMs <= LLM_OLD_MS, CHAIN.chain.includes(view.provider ?? '')]).toEqual([true, true, true]);
    }),
  );
});
