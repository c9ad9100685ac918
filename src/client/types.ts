// What the API takes and answers, by the names that commands use: the types made from its document, and where the document leaves something open, the type
// that the API itself builds. Types only.
import type { StatusDocument } from '../api/status.ts';
import type { Override } from '../model.ts';
import type { Operations, OverrideOrder, RunOrder } from './schema.ts';

export type { Dossier, DossierIncident, Evidence, TrailLine } from '../api/dossier.ts';
export type { StatusDocument } from '../api/status.ts';
export type { WhatIfMatrix } from '../whatif/matrix.ts';
export type {
  Acknowledged,
  Forecast,
  HealthCheck,
  HealthDetail,
  ObjectiveCell,
  ObjectiveList,
  Ordered,
  Overview,
  PageItem,
  PageList,
  Platform,
  PlatformList,
  Refusal,
  Replayed,
  Run,
  RunBegun,
  RunItem,
  RunList,
  RunPlan,
  RunStep,
  ServiceOne,
  Settled,
  VerifyReport,
} from './schema.ts';

/** All orders, as the status document and `/v1/overrides` tell of them. */
export type Orders = StatusDocument['overrides'];
export type Order = Orders['items'][number];
/** An order to be given; whose it is, is always said here. */
export type OrderBody = OverrideOrder & { owner: string };
/** What a write leaves behind. */
export interface Committed {
  override: Override;
  version: number;
}
export type ReplayBody = Operations['replayPage']['body'];
export type AcknowledgeBody = Operations['acknowledgePage']['body'];
export type RunBody = RunOrder;
/** What can be said to a run, by operation. */
export type RunDeed = 'approveRun' | 'answerRun' | 'abortRun' | 'undoRun' | 'forceRun';
export type RunDeedBody<D extends RunDeed> = Operations[D]['body'];
/** What can be said of where a database is written, by operation. */
export type SettleDeed = 'settleDatabase' | 'unsettleDatabase';
export type SettleDeedBody<D extends SettleDeed> = Operations[D]['body'];
export type Hypothesis = Operations['simulate']['body']['hypotheses'][number];

export interface DecisionItem {
  v: number;
  atMs: number;
  by: string;
  because: string;
  changes: readonly { service: string }[];
}
