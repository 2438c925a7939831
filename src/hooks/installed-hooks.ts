/** The integrators' hooks as the core uses them: always an answer, within the deadline, the core's own where there is no better. */
import { dirname, join } from 'node:path';
import type { HookRun, NoteHookRun } from '../core/hook-runs.ts';
import { coreBehaviour, hookNames, type HookCall, type HookName, type Hooks } from '../core/hooks.ts';
import type { Clock, Log, PartStatus } from '../core/ports.ts';
import { compileModule, digestOf, stampOf, stopCompiler } from './compile.ts';
import { deadlineOf, type HooksConfig } from './config.ts';
import { environmentOf } from './environment.ts';
import { contracts } from './contract/contracts.ts';
import { dataOf } from './contract/envelope.ts';
import type { CallUser } from './contract/call-full.ts';
import type { HookContract, HookInput, HookResult, HookSurroundings } from './contract/hook-contract.ts';
import { HookFault } from './hook-fault.ts';
import { findHooks, placeOf, type HookFile, type HookNotice } from './hook-files.ts';
import { HookSlot } from './hook-slot.ts';
import { loadHook, type LoadedHook, type LoadSettings } from './loaded-hook.ts';
import { findRuntimeFolder } from './runtime-folder.ts';
import { HookVersions, linkNeighbours } from './versions.ts';

export interface HooksParts {
  readonly config: HooksConfig;
  /** Where the working versions are kept. */
  readonly versionsFolder: string;
  /** Names of the configured CRMs. */
  readonly crms: readonly string[];
  /** IANA name. */
  readonly timeZone: string;
  /** For everything that the dialplan's question may take. */
  readonly distributionDeadlineMs: number;
  readonly userOf: (crm: string | null, extension: string) => CallUser | null;
  /** Id of the contact field with the code PHONE, where the CRM has one. */
  readonly phoneFieldOf?: (crm: string) => number | null;
  /** Told of each run that is about a call or a click; absent: nobody is. */
  readonly noteRun?: NoteHookRun;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

export interface InstalledHooks {
  /** Loads what stands in the folder, and from now on what is saved there. */
  start(): Promise<void>;
  /** Ends every process. */
  stop(): Promise<void>;
  /** The hooks of one CRM: its own, else those for all, else the core's behaviour. Never rejects but for a bug. */
  forCrm(crm: string): Hooks;
  /** Null: none is installed, and no time need be kept for it. */
  readonly customizeAutodistribution: Hooks['customize_autodistribution'] | null;
  status(): readonly PartStatus[];
  /** Of what stands in the folder, by place: the same on another node where the files are the same. */
  digests(): ReadonlyMap<string, string>;
  /** Looks at the folder now; for those who cannot wait for the next look. */
  refresh(): Promise<void>;
}

const lookEveryMs = 500;
const startWaitMs = 3_000;

export function createHooks(parts: HooksParts): InstalledHooks {
  return new HookHouse(parts);
}

/** What is known of a place's file since it was last tried. */
interface Tried {
  readonly stamp: string;
  /** Of a module: everything that it imports. */
  readonly sources: readonly string[];
  readonly sourcesStamp: string;
  /** Of their contents. */
  readonly digest: string;
}

class HookHouse implements InstalledHooks {
  readonly #parts: HooksParts;
  readonly #versions: HookVersions;
  readonly #runtimeFolder = findRuntimeFolder();
  readonly #slots = new Map<string, HookSlot>();
  readonly #tried = new Map<string, Tried>();
  /** Of the folders that programs stand in, as their neighbours were last linked. */
  readonly #homes = new Map<string, string>();
  /** Stamps of the last look: a file that is still being written is left for the next one. */
  #lastSeen = new Map<string, string>();
  #notices: readonly HookNotice[] = [];
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: HooksParts) {
    this.#parts = parts;
    this.#versions = new HookVersions(parts.versionsFolder);
  }

  async start(): Promise<void> {
    if (!this.#parts.config.enabled) return;
    const looked = this.refresh();
    // A hook that takes its time to load must not keep the service from answering calls.
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([looked, new Promise((resolve) => (timer = setTimeout(resolve, startWaitMs)))]);
    clearTimeout(timer);
    void looked
      .catch((error: unknown) => this.#parts.log.error({ error }, 'the folder of hooks could not be looked at'))
      .then(() => this.#lookAgain());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all([...this.#slots.values()].map((slot) => slot.close()));
    this.#slots.clear();
    await stopCompiler();
  }

  refresh(): Promise<void> {
    return this.#lookInTurn({ waitsForRest: false });
  }

  forCrm(crm: string): Hooks {
    const hooks = hookNames.map((name) => [name, (input: never) => this.#ask(name, crm, input)]);
    return Object.fromEntries(hooks) as unknown as Hooks;
  }

  get customizeAutodistribution(): Hooks['customize_autodistribution'] | null {
    // Asked before it is known which CRM knows the caller: one CRM's own counts only where there is no other.
    const { crms } = this.#parts;
    const crm = crms.length === 1 ? crms[0]! : null;
    const slot = this.#slotOf('customize_autodistribution', crm);
    return slot === null ? null : (input) => this.#askSlot(slot, crm, input, contracts.customize_autodistribution);
  }

  status(): readonly PartStatus[] {
    const slots = [...this.#slots.values()].map((slot) => slot.status());
    const notices = this.#notices.map(({ path, message }): PartStatus => ({
      part: `hooks: ${path}`,
      health: 'warning',
      message,
    }));
    return [...slots, ...notices];
  }

  digests(): ReadonlyMap<string, string> {
    return new Map([...this.#tried].map(([place, { digest }]) => [place, digest]));
  }

  #slotOf(hook: HookName, crm: string | null): HookSlot | null {
    const own = crm === null ? undefined : this.#slots.get(placeOf(hook, crm));
    return own ?? this.#slots.get(placeOf(hook, null)) ?? null;
  }

  async #ask<Name extends HookName>(name: Name, crm: string, input: HookInput<Name>): Promise<HookResult<Name>> {
    const slot = this.#slotOf(name, crm);
    if (slot === null) return askCore(name, input);
    return this.#askSlot(slot, crm, input, contracts[name] as unknown as HookContract<Name>);
  }

  async #askSlot<Name extends HookName>(
    slot: HookSlot,
    crm: string | null,
    input: HookInput<Name>,
    contract: HookContract<Name>,
  ): Promise<HookResult<Name>> {
    const surroundings = this.#surroundingsOf(crm);
    const at = this.#parts.clock.now();
    const askedAtMs = performance.now();
    let sent: Record<string, unknown> = {};
    let data: unknown;
    const { noteRun, crms, log } = this.#parts;
    const note = (fault: HookFault | null) => {
      const about = subjectOf(input);
      if (about === null || noteRun === undefined) return;
      const tookMs = performance.now() - askedAtMs;
      try {
        noteRun({
          ...about,
          at,
          hook: contract.name,
          crm: crms.find((one) => one === crm) ?? null,
          tookMs,
          hasChanged: fault === null && contract.compare(data, sent).changes.length > 0,
          fault: fault?.kind ?? null,
          message: fault?.message ?? null,
        });
      } catch (error) {
        // A call must not fail because of what is kept for those who look at it later.
        log.error({ error, hook: contract.name }, 'a run of a hook could not be noted');
      }
    };
    try {
      const result = await slot.run(() => (sent = contract.toWire(input, surroundings)), {
        deadlineMs: this.#deadlineOf(contract.name),
        linkedId: subjectOf(input)?.about ?? null,
        read: (answer) => contract.fromWire((data = dataOf(answer, contract.name)), input, surroundings),
      });
      note(null);
      return result;
    } catch (error) {
      if (!(error instanceof HookFault)) throw error;
      note(error);
      return askCore(contract.name, input);
    }
  }

  #deadlineOf(name: HookName): number {
    const { config, distributionDeadlineMs } = this.#parts;
    const own = deadlineOf(config, name);
    return name === 'customize_autodistribution' ? Math.min(own, distributionDeadlineMs) : own;
  }

  #surroundingsOf(crm: string | null): HookSurroundings {
    const { timeZone, userOf, phoneFieldOf } = this.#parts;
    return {
      timeZone,
      userOf: (extension) => userOf(crm, extension),
      phoneFieldId: crm === null ? null : (phoneFieldOf?.(crm) ?? null),
    };
  }

  #lookAgain(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      void this.#lookInTurn({ waitsForRest: true })
        .catch((error: unknown) => this.#parts.log.error({ error }, 'the folder of hooks could not be looked at'))
        .then(() => this.#lookAgain());
    }, lookEveryMs);
    this.#timer.unref();
  }

  /** One after the other, or an older state of a file could come into force after a newer one. */
  #lookInTurn(options: { readonly waitsForRest: boolean }): Promise<void> {
    const looked = this.#looking.then(() => (this.#isStopped ? undefined : this.#look(options)));
    this.#looking = looked.catch(() => undefined);
    return looked;
  }

  async #look({ waitsForRest }: { readonly waitsForRest: boolean }): Promise<void> {
    const { config, crms, log } = this.#parts;
    const { files, notices } = await findHooks(config.folder, crms);
    this.#notices = notices;
    for (const [place, slot] of this.#slots) {
      if (files.has(place)) continue;
      this.#slots.delete(place);
      this.#tried.delete(place);
      log.info({ hook: slot.hook, crm: slot.crm }, 'a hook was taken out');
      await slot.close();
    }
    const seen = new Map<string, string>();
    const changed: HookFile[] = [];
    for (const [place, file] of files) {
      const tried = this.#tried.get(place);
      const sourcesStamp = tried === undefined ? '' : await stampOf(tried.sources);
      if (tried?.stamp === file.stamp && tried.sourcesStamp === sourcesStamp) {
        await this.#meetNeighbours(place, file);
        continue;
      }
      const stamp = `${file.stamp} ${sourcesStamp}`;
      seen.set(place, stamp);
      if (!waitsForRest || this.#lastSeen.get(place) === stamp) changed.push(file);
    }
    this.#lastSeen = seen;
    await Promise.all(changed.map((file) => this.#install(file)));
  }

  /** A file that a program includes may be saved after the program. */
  async #meetNeighbours(place: string, file: HookFile): Promise<void> {
    const loaded = this.#slots.get(place)?.loaded ?? null;
    if (file.kind === 'module' || loaded === null) return;
    const home = `${loaded.version.id} ${await stampOf([dirname(file.path)])}`;
    if (this.#homes.get(place) === home) return;
    this.#homes.set(place, home);
    await linkNeighbours(file, loaded.version.folder);
  }

  /** Compiles, checks and swaps; what does not pass leaves everything as it was. */
  async #install(file: HookFile): Promise<void> {
    const place = placeOf(file.hook, file.crm);
    const { log } = this.#parts;
    const slot = this.#slots.get(place) ?? this.#createSlot(file);
    let sources: readonly string[] = [file.path];
    try {
      const compiled = file.kind === 'module' ? await compileModule(file.path) : null;
      sources = compiled?.sources ?? sources;
      const trial = await this.#versions.prepare(file, compiled?.text ?? null, this.#parts.clock.now());
      let loaded: LoadedHook;
      try {
        loaded = await loadHook(trial, this.#loadSettingsOf(file));
      } catch (error) {
        await this.#versions.drop(trial);
        throw error;
      }
      // A process has the module in memory already; only its next start needs the place where it is kept.
      loaded.moveTo(await this.#versions.keep(trial));
      slot.swap(loaded);
      log.info({ hook: file.hook, crm: file.crm, version: slot.loaded?.version.id }, 'a hook is in force');
    } catch (error) {
      slot.trouble = (error as Error).message;
      if (slot.loaded === null) await this.#fallBack(slot, file);
      log.warn(
        {
          hook: file.hook,
          crm: file.crm,
          file: file.path,
          reason: slot.trouble,
          runs: slot.loaded?.version.id ?? null,
        },
        'a hook cannot be used as it was saved',
      );
    }
    // Also where it failed: it is tried again when something changes, not before.
    const [sourcesStamp, digest] = [await stampOf(sources), await digestOf(sources)];
    this.#tried.set(place, { stamp: file.stamp, sources, sourcesStamp, digest });
    if (this.#isStopped) await slot.close();
    else this.#slots.set(place, slot);
  }

  /** After a start with a broken file: the newest version that once worked. */
  async #fallBack(slot: HookSlot, file: HookFile): Promise<void> {
    const { trouble } = slot;
    for (const version of [...(await this.#versions.list(placeOf(file.hook, file.crm)))].reverse()) {
      try {
        slot.swap(await loadHook(version, this.#loadSettingsOf(file)));
        slot.trouble = trouble;
        return;
      } catch (error) {
        this.#parts.log.warn({ hook: file.hook, version: version.id, error }, 'a kept version of a hook does not load');
      }
    }
  }

  #createSlot({ hook, crm }: HookFile): HookSlot {
    const { config, clock, log } = this.#parts;
    const breaker = { failures: config.breakerFailures, openMs: config.breakerOpenMs };
    return new HookSlot({ hook, crm, clock, log, breaker, concurrency: config.concurrency });
  }

  #loadSettingsOf({ hook, crm, path }: HookFile): LoadSettings {
    const { config, env, log } = this.#parts;
    return {
      runtimeFolder: this.#runtimeFolder,
      hook,
      cwd: join(path, '..'),
      env: environmentOf(env, config.environment, { hook, crm, folder: config.folder }),
      memoryBytes: config.memoryMb * 2 ** 20,
      outputBytes: config.outputKb * 2 ** 10,
      onPrinted: (text) => log.info({ hook, crm, printed: text.trimEnd() }, 'a hook printed'),
    };
  }
}

/** Which call or click it is about; null: neither, or not known. */
function subjectOf(input: object): Pick<HookRun, 'about' | 'source' | 'uniqueId'> | null {
  const { call, conversation, request, linkedId } = input as Partial<HookCall> & {
    readonly request?: { readonly requestId: string };
    readonly linkedId?: string;
  };
  if (call !== undefined)
    return { about: call.linkedId, source: call.source, uniqueId: conversation?.uniqueId ?? null };
  const about = request?.requestId ?? linkedId;
  return about === undefined || about === '' ? null : { about, source: null, uniqueId: null };
}

function askCore<Name extends HookName>(name: Name, input: HookInput<Name>): Promise<HookResult<Name>> {
  const core = coreBehaviour[name] as (input: HookInput<Name>) => Promise<HookResult<Name>>;
  return core(input);
}
