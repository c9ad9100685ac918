// What a human says to a run: agree, answer, stop, take back, force. Each with a reason, to the state that was read, under a key that is kept for retries.
import { useState } from 'preact/hooks';
import type { Run, RunOne, RunWaiting } from '../../../client/schema.ts';
import { freshKey } from '../browser.ts';
import { html, type Node } from '../html.ts';
import { act, ask, Refused } from '../live/api.ts';
import { may } from '../live/session.ts';
import { Dialog, Field, Trouble, useDeed } from '../parts.ts';
import { type Deed, deedsOf } from '../steps.ts';

/** A run as it was read, with the tag of what a human decides about. */
export interface Read {
  run: Run;
  tag: string | null;
}

export const readRun = async (id: string): Promise<Read> => {
  const answer = await ask(`/v1/runs/${encodeURIComponent(id)}`);
  return { run: ((await answer.json()) as RunOne).run, tag: answer.headers.get('etag') };
};

/** Nobody knows whether an act that was not answered was done. */
export const Doubt = ({ error }: { error: unknown }) =>
  error === null || (error instanceof Refused && error.problem.code !== 'ERR_UNDECIDED')
    ? null
    : html`<p class="note" role="status">There was no answer, so nobody knows whether it was done. Sending it again is safe: it has the same key.</p>`;

export const Reason = ({
  value,
  set,
  most = 500,
  needed = true,
}: {
  value: string;
  set(text: string): void;
  most?: number;
  needed?: boolean;
}) => html`
  <${Field} label=${needed ? 'Reason' : 'Reason, if there is one'} hint=${needed ? 'What the next morning’s reader should know: 10 to 500 characters.' : undefined}
    control=${(
      id: string,
    ) => html`<input id=${id} value=${value} required=${needed} minlength=${needed ? 10 : undefined} maxlength=${most} autocomplete="off"
      onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => set(currentTarget.value)} />`} />`;

type Choice = RunWaiting['choices'][number];
interface Wanted extends Read {
  deed: Deed;
  waiting: RunWaiting | null;
}

const SAYS: Readonly<Record<Deed, readonly [label: string, means: string]>> = {
  approve: ['Agree', 'It begins when enough different persons have agreed.'],
  answer: ['Answer', 'The step waits for your word.'],
  abort: ['Abort', 'Nothing more begins; what is under way ends, and what is done stays done.'],
  undo: ['Take back', 'What can be taken back is, last first. The steps say what can’t.'],
  force: ['Force', 'It goes on ungracefully: what only a graceful run does is left out. What is done stays done.'],
};
const CHOICES: Readonly<Record<Choice, string>> = {
  retry: 'retry: try the step again',
  skip: 'skip: go on without it',
  stop: 'stop: begin nothing more',
};

const bodyOf = ({ deed, waiting }: Wanted, choice: Choice, reason: string): object => {
  if (deed === 'answer') return { step: waiting?.step, choice, reason };
  const step = waiting?.step ?? null;
  return deed === 'approve' ? { ...(step === null ? {} : { step }), ...(reason === '' ? {} : { reason }) } : { reason };
};

const Form = ({ wanted, onDone }: { wanted: Wanted; onDone(): void }) => {
  const { deed, waiting } = wanted;
  const [key] = useState(freshKey);
  const [{ run, tag }, setRead] = useState<Read>(wanted);
  const [reason, setReason] = useState('');
  const [choice, setChoice] = useState<Choice>(waiting?.choices[0] ?? 'retry');
  const { busy, error, run: doIt } = useDeed();
  const submit = (event: Event): void => {
    event.preventDefault();
    doIt(async () => {
      await act('POST', `/v1/runs/${encodeURIComponent(run.id)}/${deed}`, bodyOf(wanted, choice, reason.trim()), {
        key,
        ...(tag === null ? {} : { ifMatch: tag }),
      });
      onDone();
    });
  };
  const isStale = error instanceof Refused && error.problem.status === 412;
  return html`<form class="form" onSubmit=${submit}>
    <p>${run.purpose} of <b>${run.platform}</b> from ${run.from} to ${run.to}${waiting?.step ? html`, step <code>${waiting.step}</code>` : null}; it is ${run.state}, ${run.mode}. ${SAYS[deed][1]}</p>
    ${waiting === null ? null : html`<p class="dim">${waiting.because}</p>`}
    ${
      deed === 'answer'
        ? html`<fieldset><legend>What becomes of it</legend>${waiting?.choices.map(
            (each) =>
              html`<label><input type="radio" name="choice" checked=${each === choice} onChange=${() => setChoice(each)} /> ${CHOICES[each]}</label>`,
          )}</fieldset>`
        : null
    }
    <${Reason} value=${reason} set=${setReason} needed=${deed !== 'approve'} />
    <${Trouble} error=${error} /><${Doubt} error=${error} />
    ${isStale ? html`<p><button type="button" onClick=${() => doIt(async () => setRead(await readRun(run.id)))}>Read it again, and keep what is written here</button></p>` : null}
    <p class="row"><button class=${deed === 'approve' ? 'primary' : 'danger'} disabled=${busy}>${SAYS[deed][0]}</button><span role="status">${busy ? 'sending …' : ''}</span></p>
  </form>`;
};

/** Who may not act sees what it waits for, and no buttons. */
export const Controls = ({ read, onDone }: { read: Read; onDone(): void }) => {
  const [wanted, want] = useState<Wanted | null>(null);
  const button = (deed: Deed, waiting: RunWaiting | null, says: Node = SAYS[deed][0]): Node =>
    may(deed === 'approve' ? 'approver' : 'operator')
      ? html`<button type="button" onClick=${() => want({ ...read, deed, waiting })}>${says} …</button>`
      : null;
  const close = (): void => want(null);
  return html`
    ${
      read.run.waiting.length === 0
        ? null
        : html`<ul class="plain">${read.run.waiting.map(
            (each) => html`<li class="note">
              <p><b>${each.step ?? 'To begin'}</b>: ${each.because}</p>
              <p class="row dim">${each.wants === 'approval' ? `${each.by.length} of ${each.persons} agreed${each.by.length === 0 ? '' : `: ${each.by.join(', ')}`}` : 'waits for an answer'}
                ${button(each.wants === 'approval' ? 'approve' : 'answer', each)}</p>
            </li>`,
          )}</ul>`
    }
    <p class="row">${deedsOf(read.run).map((deed) => button(deed, null))}</p>
    <${Dialog} title=${wanted === null ? '' : `${SAYS[wanted.deed][0]}: ${wanted.run.id}`} open=${wanted !== null} onClose=${close}>
      ${
        wanted === null
          ? null
          : html`<${Form} wanted=${wanted} onDone=${() => {
              close();
              onDone();
            }} />`
      }
    <//>`;
};
