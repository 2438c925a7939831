import type { SettingEdit, SettingsDraft, SettingsSave, SettingsView } from '../ports.ts';
import { ask } from './api.ts';
import { say } from './i18n/words.ts';
import type { Wire } from './wire.ts';

export type Path = readonly (string | number)[];
export type View = Wire<SettingsView>;
export type Draft = Wire<SettingsDraft>;
export type PendingSecret = SettingsSave['secrets'][number];

export const loadSettings = (signal?: AbortSignal) => ask<SettingsView>('settings', signal ? { signal } : {});

/** The text with these edits, and what is wrong with it then. Nothing is written. */
export const tryDraft = (given: {
  readonly text: string;
  readonly edits?: readonly SettingEdit[];
  readonly secrets?: readonly PendingSecret[];
}): Promise<Draft> => ask<SettingsDraft>('settings/draft', { method: 'POST', body: given });

export const saveDraft = (given: SettingsSave) =>
  ask<{ readonly isSaved: boolean }>('settings', { method: 'POST', body: given });

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (place, key) =>
      typeof place === 'object' && place !== null ? (place as Record<string | number, unknown>)[key] : undefined,
    value,
  );
}

export const fileKey = (path: Path): Path => [...path.slice(0, -1), `${String(path.at(-1))}File`];

/** `http.tokens[0].name`, as faults name it. */
export const formatPath = (path: Path) =>
  path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );

/** Why settings were not saved, in the person's language. */
export class FaultyDraft extends Error {
  readonly draft: Draft;
  constructor(draft: Draft) {
    super(
      draft.faults.map(({ path, message }) => (path === '' ? say(message) : `${path}: ${say(message)}`)).join('; '),
    );
    this.draft = draft;
  }
}

/** Changes settings in the file in one step, for those who do not edit a draft. Rejects with `FaultyDraft` or `ApiFault`. */
export async function changeSettings(
  build: (values: unknown) => { readonly edits: readonly SettingEdit[]; readonly secrets?: readonly PendingSecret[] },
): Promise<void> {
  const view = await loadSettings();
  if (view.obstacle !== null) throw new Error(view.obstacle.message);
  const { edits, secrets = [] } = build(view.draft.values);
  const draft = await tryDraft({ text: view.draft.text, edits, secrets });
  if (draft.faults.length > 0) throw new FaultyDraft(draft);
  await saveDraft({ hash: view.hash, text: draft.text, secrets });
}
