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
}

/** Ties the two sides of a hook to its schemas. */
export function defineHook<Name extends HookName, Input extends z.ZodObject, Answer extends z.ZodObject>(
  definition: Omit<HookContract<Name>, 'input' | 'answer' | 'toWire' | 'fromWire' | 'readOnly' | 'passesUnknown'> & {
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
  const stripped = ['call_full', 'call_stage', ...readOnly];
  return {
    ...definition,
    readOnly,
    passesUnknown,
    toWire,
    fromWire(given, input, surroundings) {
      const kept = Object.fromEntries(
        Object.entries(given as Record<string, unknown>).filter(([key]) => !stripped.includes(key)),
      );
      const checked = definition.answer.safeParse(kept);
      if (!checked.success) throw new TypeError(explain(checked.error));
      const extras = Object.fromEntries(
        Object.entries(passesUnknown ? kept : {}).filter(([key]) => !(key in definition.answer.shape)),
      );
      return fromWire({
        data: checked.data as z.output<Answer>,
        sent: toWire(input, surroundings),
        extras,
        input,
      });
    },
  };
}

function explain(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${['data', ...path].map(String).join('.')}: ${message}`).join('; ');
}
