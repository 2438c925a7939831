/** Recordings with all that they need, over a database of the test's own: ledger, deliveries, a CRM that remembers, folders. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createDeliveryRunner, type DeliveryRunner } from '../../src/core/delivery.ts';
import { coreBehaviour, type Hooks } from '../../src/core/hooks.ts';
import type { Call } from '../../src/core/call.ts';
import type { CrmAdapter, PartStatus } from '../../src/core/ports.ts';
import type { Recording } from '../../src/core/recording.ts';
import { recordingsConfig } from '../../src/recordings/config.ts';
import { createRecordings, type Recordings } from '../../src/recordings/recordings.ts';
import { createCallStore } from '../../src/storage/call-store.ts';
import type { Database } from '../../src/storage/connection.ts';
import { createCursorStore } from '../../src/storage/cursor-store.ts';
import { createDeliveryStore } from '../../src/storage/delivery-store.ts';
import { silentLog } from '../support/silent-log.ts';
import { until } from '../support/until.ts';
import { openHouse, type House as WebHouse } from '../web/house.ts';
import { plan, recordedChange, type RecordedCallOptions } from './recorded-call.ts';

/** A clock that runs, from a moment that tests know, and can be put forward. */
export class RunningClock {
  readonly #startedAt = performance.now();
  #ahead: number;
  constructor(start = new Date('2026-11-21T08:00:00Z')) {
    this.#ahead = start.getTime();
  }
  now(): Date {
    return new Date(this.#ahead + Math.round(performance.now() - this.#startedAt));
  }
  advance(ms: number): void {
    this.#ahead += ms;
  }
}

export interface HouseOptions {
  readonly config?: Record<string, unknown>;
  readonly process_record_file_path?: Hooks['process_record_file_path'];
  /** What the CRM does with a conversation; by default it takes it. */
  readonly register?: (uniqueId: string) => Promise<string>;
  /** Kept from another house, for a restart. */
  readonly folder?: string;
  readonly clock?: RunningClock;
}

export class RecordingsHouse {
  readonly folder: string;
  readonly spool: string;
  readonly clock: RunningClock;
  readonly recordings: Recordings;
  /** What the CRM was given: conversation → links, in their order. */
  readonly attached: { readonly crmId: string; readonly link: string; readonly key: string }[] = [];
  readonly database: Database;
  readonly calls: ReturnType<typeof createCallStore>;
  readonly deliveries: ReturnType<typeof createDeliveryStore>;
  readonly runner: DeliveryRunner;
  #web: WebHouse | null = null;
  #isRunning = false;

  constructor(database: Database, options: HouseOptions = {}) {
    this.database = database;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'ringledger-recordings-'));
    this.spool = join(this.folder, 'spool');
    mkdirSync(this.spool, { recursive: true });
    this.clock = options.clock ?? new RunningClock();
    const { clock } = this;
    const crm = {
      name: 'crm',
      attachRecording: async (crmId: string, link: string, key: string) =>
        void this.attached.push({ crmId, link, key }),
    } as unknown as CrmAdapter;
    this.calls = createCallStore({ database, crms: ['crm'], settleMs: 0, clock, announce: () => this.runner.wake() });
    this.deliveries = createDeliveryStore({ database, clock });
    this.recordings = createRecordings({
      config: recordingsConfig.parse({
        roots: [{ asteriskPath: '/var/spool/asterisk', path: this.spool }],
        ...options.config,
      }),
      db: database.knex,
      calls: this.calls,
      cursors: createCursorStore(database),
      plan,
      hooks: {
        process_record_file_path: options.process_record_file_path ?? coreBehaviour.process_record_file_path,
      },
      clock,
      log: silentLog,
      timeZone: 'UTC',
      publicUrl: () => this.#web?.url ?? 'http://127.0.0.1:1',
      folder: join(this.folder, 'converted'),
      secretFile: join(this.folder, 'link-secret'),
      crms: ['crm'],
      announce: () => this.runner.wake(),
    });
    const attach = this.recordings.deliveryHandler(crm);
    const register = options.register ?? (async (uniqueId: string) => `note-${uniqueId}`);
    this.runner = createDeliveryRunner({
      store: this.deliveries,
      handle: async (delivery, context) =>
        delivery.kind === 'recording' ? attach(delivery, context) : { crmId: await register(delivery.uniqueId) },
      crms: ['crm'],
      node: 'test',
      clock,
      log: silentLog,
      pollMs: 50,
    });
  }

  async start(): Promise<void> {
    this.#web = await openHouse({ parts: { recordings: this.recordings.door, clock: this.clock } });
    await this.runner.start();
    await this.recordings.start();
    this.#isRunning = true;
  }
  /** Like the end of the process, but for what is under way; the folder stays. */
  async halt(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    await this.recordings.stop();
    await this.runner.stop();
    await this.#web?.stop(100);
  }
  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get web(): WebHouse {
    return this.#web!;
  }

  /** Puts a file where the PBX writes; the path as the PBX would name it. */
  write(path: string, content: Buffer): string {
    const place = this.placeOf(path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, content);
    return place;
  }
  placeOf(path: string): string {
    return path.replace('/var/spool/asterisk', this.spool);
  }

  /** A call ends and stands in the ledger. */
  async end(options: RecordedCallOptions, tells = true): Promise<Call> {
    const change = recordedChange(options);
    await this.calls.save([change]);
    if (tells) this.nudge(change.call);
    return change.call;
  }
  /** Makes the keeper look now at what is due. */
  nudge(call: Call): void {
    this.recordings.watcher.onStage('call_ended', call, null);
  }

  async of(call: Call): Promise<readonly Recording[]> {
    return this.recordings.door.ofCall(call.source, call.linkedId);
  }
  /** The call's recordings once each is in one of these states. */
  async untilAll(call: Call, ...states: readonly Recording['state'][]): Promise<readonly Recording[]> {
    let found: readonly Recording[] = [];
    await until(
      async () => {
        found = await this.of(call);
        return found.length > 0 && found.every(({ state }) => states.includes(state));
      },
      { what: `the recordings are ${states.join(' or ')}`, between: () => this.nudge(call) },
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(found)}`);
    });
    return found;
  }
  async status(): Promise<PartStatus> {
    return (await this.recordings.status())[0]!;
  }
  linkOf(recording: Recording): string {
    return this.recordings.door.linkOf(recording);
  }
  async play(recording: Recording, query = ''): Promise<{ status: number; type: string | null; body: Buffer }> {
    const response = await fetch(this.linkOf(recording) + query);
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      body: Buffer.from(await response.arrayBuffer()),
    };
  }
}
