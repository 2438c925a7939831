import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { HookName, Hooks } from '../../core/hooks.ts';
import type { CallSurroundings } from './call-full.ts';

/** What the mapping of a CRM's hooks needs beside the hook's input. */
export interface HookSurroundings extends CallSurroundings {
  /** Id of the contact field with the code PHONE, where the CRM has one and it is known. */
  readonly phoneFieldId: number | null;
}

export type HookInput<Name extends HookName> = Parameters<Hooks[Name]>[0];
export type HookResult<Name extends HookName> = Awaited<ReturnType<Hooks[Name]>>;

/** One hook as integrators know it, and how it stands to the core's own. */
export interface HookContract<Name extends HookName = HookName> {
  readonly name: Name;
  /** When it runs and what for, in one or two sentences. */
  readonly purpose: string;
  /** The JSON that the hook gets. */
  readonly input: z.ZodObject;
  /** What stands in `data` of its answer. What is left out stays as it was. */
  readonly answer: z.ZodObject;
  /** Keys that are taken out of `data` when they are given back. */
  readonly readOnly: readonly string[];
  /** Further keys of `data` go to the CRM with what is created or changed. */
  readonly passesUnknown: boolean;
  toWire(input: HookInput<Name>, surroundings: HookSurroundings): Record<string, unknown>;
  /** Throws where `data` cannot be used; the core's own behaviour is then taken. */
  fromWire(data: unknown, input: HookInput<Name>, surroundings: HookSurroundings): HookResult<Name>;
  /** How `data` that can be used differs from what was sent. */
  compare(data: unknown, sent: Readonly<Record<string, unknown>>): HookDifference;
}

export interface HookDifference {
  readonly changes: readonly { readonly field: string; readonly before: unknown; readonly after: unknown }[];
  /** Fields of the answer that are never taken back. */
  readonly ignored: readonly string[];
}

/** Ties the two sides of a hook to its schemas. */
export function defineHook<Name extends HookName, Input extends z.ZodObject, Answer extends z.ZodObject>(
  definition: Pick<HookContract<Name>, 'name' | 'purpose'> & {
    readonly input: Input;
    readonly answer: Answer;
    readonly readOnly?: readonly string[];
    readonly passesUnknown?: boolean;
    toWire(input: HookInput<Name>, surroundings: HookSurroundings): z.output<Input>;
    /** `sent` is what the hook was given; `extras` the keys that it added. */
    fromWire(answer: {
      readonly data: z.output<Answer>;
      readonly sent: z.output<Input>;
      readonly extras: Readonly<Record<string, unknown>>;
      readonly input: HookInput<Name>;
    }): HookResult<Name>;
  },
): HookContract<Name> {
  const { toWire, fromWire, readOnly = [], passesUnknown = false } = definition;
  const aboutCall = ['call_full', 'call_stage'];
  const stripped = [...aboutCall, ...readOnly];
  const { answer } = definition;
  /** The fields of `data` that count, in the form in which they do. */
  const understand = (given: unknown) => {
    const kept = Object.fromEntries(
      Object.entries(given as Record<string, unknown>).filter(([key]) => !stripped.includes(key)),
    );
    const checked = answer.safeParse(kept);
    if (!checked.success) throw new TypeError(explain(checked.error));
    const extras = Object.fromEntries(
      Object.entries(passesUnknown ? kept : {}).filter(([key]) => !(key in answer.shape)),
    );
    return { data: checked.data as z.output<Answer>, extras };
  };
  return {
    ...definition,
    readOnly,
    passesUnknown,
    toWire,
    fromWire: (given, input, surroundings) =>
      fromWire({ ...understand(given), sent: toWire(input, surroundings), input }),
    compare(given, sent) {
      const { data, extras } = understand(given);
      // Click-to-call has its fields one level down; what nobody answers is yes.
      const before: Readonly<Record<string, unknown>> = {
        result: true,
        ...sent,
        ...(sent['params'] as Record<string, unknown> | undefined),
      };
      const after = Object.entries({ ...data, ...extras });
      return {
        changes: after
          .filter(([field, value]) => value !== undefined && !isDeepStrictEqual(value, before[field]))
          .map(([field, value]) => ({ field, before: before[field] ?? null, after: value })),
        ignored: Object.keys(given as object).filter(
          (key) => !aboutCall.includes(key) && !after.some(([field]) => field === key),
        ),
      };
    },
  };
}

function explain(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${['data', ...path].map(String).join('.')}: ${message}`).join('; ');
}
