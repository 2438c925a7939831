/** A hook's run that changes nothing: asked about a call as the service would ask, and read as the service would read it. */
import type { Call } from '../core/call.ts';
import type { HookName } from '../core/hooks.ts';
import { deadlineOf } from './config.ts';
import { contracts } from './contract/contracts.ts';
import { dataOf } from './contract/envelope.ts';
import type { HookContract, HookDifference, HookSurroundings } from './contract/hook-contract.ts';
import type { HookFile } from './hook-files.ts';
import { createSampleInput } from './sample-input.ts';
import { tryHook, type HookTrial, type TrialSettings } from './try-hook.ts';

export interface Rehearsal extends HookTrial, HookDifference {
  /** What the hook was given. */
  readonly input: object;
  /** What the core goes on with; undefined where the answer does not matter or cannot be used. */
  readonly result: unknown;
  /** Why the answer cannot be used; null: it can. */
  readonly fault: string | null;
}

/** What the hook is asked about: a call, or JSON as it is. */
export type RehearsedQuestion = { readonly call: Call } | { readonly event: object };

/** Rejects with what is wrong where the hook gives no answer at all. */
export async function rehearse(
  file: HookFile,
  rehearsal: TrialSettings & { readonly question: RehearsedQuestion; readonly surroundings: HookSurroundings },
): Promise<Rehearsal> {
  const { question, surroundings, ...settings } = rehearsal;
  const { input, read } = prepare(file.hook, question, surroundings);
  const trial = await tryHook(file, { ...settings, input, deadlineMs: deadlineOf(settings.config, file.hook) });
  const nothing = { result: undefined, changes: [], ignored: [] };
  try {
    return { ...trial, input, fault: null, ...nothing, ...read(trial.answer) };
  } catch (error) {
    return { ...trial, input, ...nothing, fault: (error as Error).message };
  }
}

function prepare(name: HookName, question: RehearsedQuestion, surroundings: HookSurroundings) {
  const contract = contracts[name] as unknown as HookContract;
  if ('event' in question) {
    const read = (answer: unknown) => ({ result: contract.answer.parse(dataOf(answer, name)) as unknown });
    return { input: question.event, read };
  }
  const own = createSampleInput(name, question.call);
  const input = contract.toWire(own, surroundings);
  const read = (answer: unknown) => {
    const data = dataOf(answer, name);
    return { result: contract.fromWire(data, own, surroundings) as unknown, ...contract.compare(data, input) };
  };
  return { input, read };
}
