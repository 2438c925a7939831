/** The generated dialplan from settings to Asterisk: seen, checked, applied, put back. Shared by commands and web interface. */
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import type { Config } from '../config.ts';
import type { Clock, Log } from '../core/ports.ts';
import {
  applyDialplan,
  ApplyFailed,
  ApplyRefused,
  rollBackDialplan,
  type Applied,
  type DialplanControl,
  type Installation,
} from '../dialplan/apply.ts';
import { checkInclude, checkSyntax, checkTargets, includeLine, placeOf, type Finding } from '../dialplan/check.ts';
import type { DialplanConfig } from '../dialplan/config.ts';
import { FolderFault, readFolder, withoutHeader } from '../dialplan/files.ts';
import { generateDialplan, placeOfDialplan, type DialplanSettings } from '../dialplan/generate.ts';
import { hasSameFiles, listVersions } from '../dialplan/history.ts';
import { TemplateError, type RenderedFile } from '../dialplan/render.ts';
import { findUnusedTemplates } from '../dialplan/unused-templates.ts';
import { Rejected } from '../core/errors.ts';
import type { DialplanDoor, DialplanFinding, DialplanOutcome } from '../web/ports.ts';
import { NoControl, openControl, type OpenedControl } from './asterisk-control.ts';

export function dialplanSettings(config: Config): DialplanSettings {
  return {
    config: config.dialplan,
    surroundings: { extensions: config.numbering.extensions, timeZone: config.installation.timezone },
  };
}

/** What an apply would change, as a unified difference; empty: nothing. */
export function differenceOf(folder: string, files: readonly RenderedFile[]): string {
  const present = new Map(readFolder(folder).map(({ name, text }) => [name, withoutHeader(text)]));
  const wanted = new Map(files.map(({ name, text }) => [name, text]));
  return [...new Set([...present.keys(), ...wanted.keys()])]
    .sort()
    .filter((name) => present.get(name) !== wanted.get(name))
    .map((name) =>
      createTwoFilesPatch(
        present.has(name) ? join(folder, name) : '/dev/null',
        wanted.has(name) ? `${name} (generated now)` : '/dev/null',
        present.get(name) ?? '',
        wanted.get(name) ?? '',
      ).replace(/^=+\n/, ''),
    )
    .join('\n');
}

/** Asterisk, where it can be asked; else why not, when there should be one. */
export interface Asked {
  readonly control: DialplanControl | null;
  readonly fault: string | null;
}

/** The files themselves, everything they go to, the line that includes them, and what an apply would refuse to replace. */
export async function checkDialplan(
  settings: DialplanSettings,
  files: readonly RenderedFile[],
  { control, fault }: Asked,
): Promise<Finding[]> {
  const { config } = settings;
  const edited = readFolder(config.folder).filter(({ state }) => state !== 'generated');
  const note = { file: null, line: null } as const;
  return [
    ...checkSyntax(files),
    ...(await checkTargets(files, control)),
    ...(fault === null
      ? []
      : [
          {
            level: 'warning',
            message: `Asterisk cannot be asked, so what is the owner's was not looked at: ${fault}`,
            ...note,
          } as const,
        ]),
    ...checkInclude(placeOfDialplan(config)),
    ...edited.map(({ name, state }): Finding => {
      const what = state === 'edited' ? 'was changed by hand' : 'is not ours';
      return {
        level: 'warning',
        message: `${join(config.folder, name)} ${what}; apply will refuse to replace it`,
        ...note,
      };
    }),
    ...findUnusedTemplates(config.templatesFolder, files).map((message): Finding => ({
      level: 'warning',
      message,
      ...note,
    })),
    ...notesOn(config).map((message): Finding => ({ level: 'note', message, ...note })),
  ];
}

/** What works less than people expect. */
function notesOn({ variant, trunks, outbound }: DialplanConfig): readonly string[] {
  if (variant !== 'plain') return [];
  const notes: string[] = [];
  if (trunks.length === 0) notes.push('click-to-call cannot reach clients: there is no trunk under dialplan.trunks');
  if (outbound.length > 0 && !outbound.some(({ pattern }) => /^_?\+/.test(pattern))) {
    notes.push(
      'phones show the numbers of clients with a +, and redial dials them so: no pattern under dialplan.outbound begins with +; an example: { pattern: _+7XXXXXXXXXX, trunks: [provider] }',
    );
  }
  return notes;
}

/** Faults of the files themselves: an apply would only be put back. The owner may add the include line later. */
export const isFaulty = (findings: readonly Finding[]) =>
  findings.some(({ level, file }) => level === 'error' && file !== null);

/** In words, when a person can mend it: files that would be lost, Asterisk's refusal, rights; null: a fault of ours. */
export function explainApplyFault(error: unknown): string | null {
  const isKnown =
    error instanceof ApplyRefused ||
    error instanceof ApplyFailed ||
    error instanceof FolderFault ||
    error instanceof TemplateError ||
    error instanceof NoControl;
  const { code, message } = error as NodeJS.ErrnoException;
  if (isKnown || code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOSPC') return message;
  return null;
}

export function installationOf(
  { config }: DialplanSettings,
  control: DialplanControl | null,
  clock: Clock,
): Installation {
  return { folder: config.folder, historyFolder: config.historyFolder, clock, control };
}

export const noControlMessage =
  'No AMI control user is configured, so Asterisk cannot be told to reload. Configure one first.';

/** What the web interface does with the dialplan. `config` is asked each time: the settings may have been saved since the start. */
export function createDialplanDoor(
  config: () => Config,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): DialplanDoor {
  const withControl = async <T>(action: (control: DialplanControl | null) => Promise<T>): Promise<T> => {
    const opened: OpenedControl | null = await openControl(config(), { clock, log });
    try {
      return await action(opened?.control ?? null);
    } finally {
      await opened?.close();
    }
  };
  const attempt = async (
    action: (settings: DialplanSettings, control: DialplanControl) => Promise<DialplanOutcome>,
  ): Promise<DialplanOutcome> => {
    try {
      return await withControl(async (control) => {
        if (control === null) return { ...nothingDone, message: noControlMessage };
        return action(dialplanSettings(config()), control);
      });
    } catch (error) {
      const message = explainApplyFault(error);
      if (message === null) throw error;
      const state = error instanceof ApplyFailed ? (error.isRolledBack ? 'put_back' : 'not_loaded') : 'refused';
      const needsForce = error instanceof ApplyRefused && error.isAboutForeignFiles;
      return { ...nothingDone, state, message: forPeople(message), needsForce };
    }
  };
  const toOutcome = (applied: Applied, findings: readonly Finding[] = []): DialplanOutcome => ({
    ...applied,
    state: 'applied',
    message: null,
    needsForce: false,
    findings: findings.map(toWire),
  });

  return {
    async preview() {
      const settings = dialplanSettings(config());
      const { folder } = settings.config;
      const place = placeOfDialplan(settings.config);
      try {
        const files = generateDialplan(settings);
        return {
          folder,
          files,
          difference: differenceOf(folder, files),
          edited: editedFiles(config()),
          includeFrom: join(place.asteriskFolder, place.includeFrom),
          includeLine: includeLine(place),
          isIncluded: checkInclude(place).every(({ level }) => level !== 'error'),
        };
      } catch (error) {
        const message = explainApplyFault(error);
        throw message === null ? error : new Rejected(message);
      }
    },
    async check() {
      const settings = dialplanSettings(config());
      try {
        const files = generateDialplan(settings);
        // What can be seen without Asterisk is worth telling all the same.
        const findings = await withControl((control) => checkDialplan(settings, files, { control, fault: null })).catch(
          (error: unknown) => {
            if (!(error instanceof NoControl)) throw error;
            return checkDialplan(settings, files, { control: null, fault: error.message });
          },
        );
        return findings.map(toWire);
      } catch (error) {
        const message = explainApplyFault(error);
        throw message === null ? error : new Rejected(message);
      }
    },
    apply: ({ isForced }) =>
      attempt(async (settings, control) => {
        const files = generateDialplan(settings);
        const findings = await checkDialplan(settings, files, { control, fault: null });
        if (isFaulty(findings)) {
          return { ...nothingDone, message: 'The generated files have faults.', findings: findings.map(toWire) };
        }
        const applied = await applyDialplan(files, installationOf(settings, control, clock), { isForced });
        return toOutcome(applied, findings);
      }),
    rollBack: ({ version, isForced }) =>
      attempt(async (settings, control) =>
        toOutcome(await rollBackDialplan(installationOf(settings, control, clock), { version, isForced })),
      ),
    async history() {
      const { folder, historyFolder } = config().dialplan;
      const present = new Map(readFolder(folder).map(({ name, text }) => [name, text]));
      const versions = listVersions(historyFolder);
      const current = versions.findLast(({ files }) => hasSameFiles(files, present))?.id;
      return versions.reverse().map(({ id, savedAt, origin, files }) => ({
        id,
        savedAt,
        origin,
        files: files.size,
        isInForce: id === current,
      }));
    },
  };
}

const nothingDone: DialplanOutcome = {
  state: 'refused',
  message: null,
  needsForce: false,
  written: [],
  removed: [],
  verifiedContexts: null,
  version: null,
  findings: [],
};

function editedFiles(config: Config): { readonly name: string; readonly state: 'edited' | 'foreign' }[] {
  return readFolder(config.dialplan.folder).flatMap(({ name, state }) =>
    state === 'generated' ? [] : [{ name, state }],
  );
}

const toWire = (finding: Finding): DialplanFinding => ({
  level: finding.level,
  message: `${placeOf(finding)}${finding.message}`,
});

/** The command line's own advice is of no use on a page. */
const forPeople = (message: string) => message.replace(/, or use --force$/, '');
