/** The integrators' hooks as the web interface works on them: what `ringledger hook` does, in the running service. */
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import type { Call } from '../core/call.ts';
import { Rejected, Retryable } from '../core/errors.ts';
import { hookNames } from '../core/hooks.ts';
import type { PartStatus } from '../core/ports.ts';
import { deadlineOf, type HooksConfig } from '../hooks/config.ts';
import type { HookSurroundings } from '../hooks/contract/hook-contract.ts';
import { hookFields } from '../hooks/contract/type-text.ts';
import { ChangedMeanwhile, HookDesk, type DeskFile } from '../hooks/hook-desk.ts';
import { languageOf, placeOf, type HookFile } from '../hooks/hook-files.ts';
import type { HookFigures } from '../hooks/hook-stats.ts';
import type { InstalledHooks } from '../hooks/installed-hooks.ts';
import { rehearse } from '../hooks/rehearsal.ts';
import { createSampleCall } from '../hooks/sample-input.ts';
import { textFaultsOf } from '../hooks/text-faults.ts';
import { checkHook, type TrialSettings } from '../hooks/try-hook.ts';
import type { HookDoor, HookPlace, HookSaving, ListedHook, OpenHook } from '../web/hook-door.ts';

export interface HookWorkshopParts {
  readonly config: HooksConfig;
  readonly versionsFolder: string;
  readonly crms: readonly string[];
  readonly installed: InstalledHooks;
  readonly surroundingsOf: (crm: string | null) => HookSurroundings;
  /** `source` null: of whichever phone system has it. */
  readonly findCall: (source: string | null, linkedId: string) => Promise<Call | null>;
  readonly env: NodeJS.ProcessEnv;
}

/** Each of them is a process of its own, beside those that calls wait for. */
const mostTrials = 2;

export function createHookWorkshop(parts: HookWorkshopParts): HookDoor {
  const { config, crms, installed, versionsFolder, env } = parts;
  const desk = new HookDesk({ folder: config.folder, versionsFolder, crms });
  const settings: TrialSettings = { config, env, workFolder: join(versionsFolder, 'trials') };
  let trials = 0;

  /** What runs foreign code is done by few at a time. */
  async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (trials >= mostTrials) throw new Retryable('Other hooks are being tried at this moment; try again.');
    trials += 1;
    try {
      return await work();
    } finally {
      trials -= 1;
    }
  }

  const partOf = ({ hook, crm }: HookPlace) =>
    installed.status().find((part) => part['hook'] === hook && part['crm'] === crm) ?? null;

  const forbidden = {
    kind: 'forbidden',
    message: 'The configuration forbids to change hooks here (hooks.editable).',
  } as const;
  async function findObstacle(): Promise<OpenHook['obstacle']> {
    if (!config.editable) return forbidden;
    const message = await desk.findObstacle();
    return message === null ? null : { kind: 'unwritable', message };
  }
  const requireEditable = () => {
    if (!config.editable) throw new Rejected(forbidden.message);
  };

  async function open(place: HookPlace): Promise<OpenHook> {
    const [found, obstacle] = await Promise.all([desk.read(place), findObstacle()]);
    const part = partOf(place);
    return {
      ...place,
      crms,
      file: found === null ? null : toOpenFile(found),
      failuresInRow: (part as (Partial<HookFigures> & PartStatus) | null)?.failuresInRow ?? 0,
      health: part?.health ?? null,
      message: part?.message ?? null,
      fields: hookFields(place.hook),
      deadlineMs: deadlineOf(config, place.hook),
      obstacle,
    };
  }

  /** The change, unless the file was changed meanwhile; then what is saved comes into force at once. */
  async function change(place: HookPlace, work: () => Promise<unknown>): Promise<HookSaving> {
    try {
      await work();
    } catch (error) {
      if (error instanceof ChangedMeanwhile) return { outcome: 'conflict', message: error.message };
      throw error;
    }
    if (config.enabled) await installed.refresh();
    return { outcome: 'saved', hook: await open(place) };
  }

  async function findFaults(file: HookFile, text: string) {
    try {
      await inTurn(() => checkHook(file, { ...settings, text }));
      return [];
    } catch (error) {
      if (error instanceof Retryable) throw error;
      return textFaultsOf(error as Error, file.path);
    }
  }

  async function saveChecked(
    place: HookPlace,
    { file, text, basedOn }: { readonly file: HookFile; readonly text: string; readonly basedOn: string | null },
  ): Promise<HookSaving> {
    const faults = await findFaults(file, text);
    if (faults.length > 0) return { outcome: 'faulty', faults };
    return change(place, () => desk.save(file, text, basedOn));
  }

  return {
    async list() {
      const { files, notices } = await desk.find();
      const items = hookNames.flatMap((hook): readonly ListedHook[] => {
        const own = [...files.values()].filter((file) => file.hook === hook);
        if (own.length === 0) return [describe({ hook, crm: null }, null, null)];
        return own.map((file) => describe({ hook, crm: file.crm }, file, partOf(file)));
      });
      return { folder: config.folder, crms, isEnabled: config.enabled, items, notices };
    },

    open,

    async draft(place, language) {
      const { file, text } = desk.draft(place, language);
      return { name: file.path.split('/').at(-1)!, language: languageOf(file.path), text };
    },

    async save(place, { text, basedOn, language }) {
      const obstacle = await findObstacle();
      if (obstacle !== null) throw new Rejected(obstacle.message);
      const present = await desk.read(place);
      if (present !== null) {
        if (present.text === null) throw new Rejected(`${present.file.path} is no text that can be edited here.`);
        if (basedOn === null) return { outcome: 'conflict', message: `${present.file.path} exists already.` };
        return saveChecked(place, { file: present.file, text, basedOn });
      }
      if (basedOn !== null) {
        const message = `The file of ${placeOf(place.hook, place.crm)} was taken out meanwhile.`;
        return { outcome: 'conflict', message };
      }
      if (language === null) throw new Rejected('Say in which language the new hook is written.');
      return saveChecked(place, { file: desk.draft(place, language).file, text, basedOn });
    },

    async switchOff(place, basedOn) {
      requireEditable();
      return change(place, () => desk.switchOff(place, basedOn));
    },

    async rehearse(place, { text, language, call: wanted }) {
      if (text !== null) requireEditable();
      const call =
        wanted === null ? createSampleCall(new Date()) : await parts.findCall(wanted.source, wanted.linkedId);
      if (call === null) return null;
      const file = (await desk.read(place))?.file ?? (language === null ? null : desk.draft(place, language).file);
      if (file === null) throw new Rejected(`${placeOf(place.hook, place.crm)} is not installed.`);
      const question = { call };
      const surroundings = parts.surroundingsOf(place.crm);
      try {
        const { result, ...report } = await inTurn(() =>
          rehearse(file, { ...settings, text: text ?? undefined, question, surroundings }),
        );
        return { ...report, result: result ?? null, faults: [] };
      } catch (error) {
        if (error instanceof Retryable) throw error;
        const nothing = {
          input: null,
          answer: null,
          printed: '',
          tookMs: null,
          result: null,
          changes: [],
          ignored: [],
        };
        return { ...nothing, fault: (error as Error).message, faults: textFaultsOf(error as Error, file.path) };
      }
    },

    async versions(place) {
      const [versions, present] = await Promise.all([desk.versions(place), desk.read(place)]);
      const texts = await Promise.all(versions.map(({ id }) => desk.version(place, id)));
      // The same text may have been kept before; the newest of them is the one that stands there.
      const current = texts.findLast(({ text, file }) => text === present?.text && file.path === present.file.path);
      return versions
        .map(({ id, keptAt, fileName }) => ({ id, keptAt, fileName, isPresent: id === current?.version.id }))
        .reverse();
    },

    async version(place, id) {
      const [{ text, version }, present] = await Promise.all([desk.version(place, id), desk.read(place)]);
      const before = present?.text ?? '';
      const name = present === null ? '/dev/null' : present.file.path;
      const difference =
        before === text
          ? ''
          : createTwoFilesPatch(name, `${version.fileName} (${id})`, before, text).replace(/^=+\n/, '');
      return { text, difference };
    },

    async restore(place, id, basedOn) {
      requireEditable();
      return change(place, () => desk.restore(place, id, basedOn));
    },
  };
}

const toOpenFile = ({ file, text, stamp }: DeskFile): NonNullable<OpenHook['file']> => ({
  name: file.path.split('/').at(-1)!,
  path: file.path,
  language: languageOf(file.path, text ?? ''),
  text,
  stamp,
});

function describe(place: HookPlace, file: HookFile | null, part: PartStatus | null): ListedHook {
  const figures = part as (Partial<HookFigures> & PartStatus) | null;
  return {
    ...place,
    fileName: file?.path.split('/').at(-1) ?? null,
    language: file === null ? null : languageOf(file.path),
    health: part?.health ?? null,
    message: part?.message ?? null,
    runs: figures?.runs ?? 0,
    failures: Object.values(figures?.failures ?? {}).reduce((sum, count) => sum + count, 0),
    failuresInRow: figures?.failuresInRow ?? 0,
    p50Ms: figures?.p50Ms ?? null,
    p99Ms: figures?.p99Ms ?? null,
    lastRunAt: figures?.lastRunAt ?? null,
    errors: figures?.errors ?? [],
  };
}
