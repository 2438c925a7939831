/**
 * `ringledger replay`: recorded traffic through the same code as live traffic, without network, database or deliveries.
 * The answer is one JSON document; calls stand in it by their start. Memory holds only the calls that overlap.
 */
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createNumbering, createScreen, readRules } from '../installation/foundations.ts';
import type { Call } from '../core/call.ts';
import type { PbxEvent } from '../core/pbx-event.ts';
import type { CallStore, Log, NumberPlan } from '../core/ports.ts';
import { CallTracker, defaultTrackerSettings, type CallTrackerParts } from '../core/tracking/call-tracker.ts';
import { readCapture } from '../pbx/asterisk/capture.ts';
import { exitCodes, UserFault, type AddCommand, type CliContext } from './context.ts';
import { createConfiguredDryRun, type DryRun } from '../installation/dry-run.ts';
import { quietLog } from './quiet-log.ts';
import { formatTable } from './table.ts';

/** `replay FILE…`: what recorded traffic comes to under the rules of the configuration. */
export const addReplayCommand: AddCommand = (program, context) => {
  program
    .command('replay')
    .description(
      'feed recorded traffic (AMI capture, CEL CSV, CDR Master.csv) through the code that follows live calls',
    )
    .argument('<files...>', 'files of one phone system; what several tell of the same call is put together')
    .option('--json', 'one JSON document instead of a table')
    .option('--dry-run', 'also what would be written to each CRM, by the rules and with every client unknown at first')
    .option('--hooks', 'with --dry-run: as the installed hooks would have it; post_registration is not run')
    .action(async (files: string[], { json, dryRun: isDryRun, hooks: withHooks = false }: ReplayOptions) => {
      if (withHooks && isDryRun !== true)
        throw new UserFault('--hooks needs --dry-run: replay itself writes to no CRM.', exitCodes.usage);
      const { config } = context.loadConfig();
      const { plan } = createNumbering(config);
      const settings = { source: config.pbx[0]?.name ?? 'asterisk', timeZone: config.installation.timezone };
      const calls = replayCalls(
        files.map((file) => readCapture(resolve(context.cwd, file), settings)),
        {
          plan,
          log: quietLog,
          screen: createScreen(readRules(config, config.registration, plan).lists),
          keepsInternal: config.calls.internal === 'keep',
        },
      );
      const dryRun =
        isDryRun === true ? await createConfiguredDryRun(config, { withHooks, env: context.env, log: quietLog }) : null;
      try {
        await (json === true ? printJsonCalls(calls, dryRun, context) : printCallTable(calls, dryRun, context));
      } catch (error) {
        // Unreadable and unrecognised files are the user's to mend; readCapture says what is wrong with them.
        throw error instanceof Error && !(error instanceof TypeError) ? new UserFault(error.message) : error;
      } finally {
        await dryRun?.close();
      }
    });
};

interface ReplayOptions {
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly hooks?: boolean;
}

async function printJsonCalls(
  calls: AsyncIterable<Call>,
  dryRun: DryRun | null,
  { stdout }: CliContext,
): Promise<void> {
  const write = async (text: string) => {
    if (!stdout.write(text)) await once(stdout, 'drain');
  };
  // Nothing before the first call: a file that cannot be read leaves no half of a document.
  let before = '{"calls":[';
  for await (const call of calls) {
    const writes = dryRun === null ? {} : { writes: await dryRun.writesOf(call) };
    await write(`${before}\n${JSON.stringify({ ...toReplayJson(call), ...writes })}`);
    before = ',';
  }
  if (before !== ',') await write(before);
  await write(dryRun === null ? '\n]}\n' : `\n],"hookFaults":${JSON.stringify(dryRun.faults())}}\n`);
}

async function printCallTable(calls: AsyncIterable<Call>, dryRun: DryRun | null, context: CliContext): Promise<void> {
  const rows: unknown[][] = [];
  const writes: unknown[][] = [];
  for await (const call of calls) {
    for (const { crm, action, ...fields } of (await dryRun?.writesOf(call)) ?? [])
      writes.push([call.startedAt.toISOString(), call.client, crm, action, JSON.stringify(fields)]);
    for (const [index, one] of call.conversations.entries()) {
      const ofCall =
        index === 0
          ? [call.startedAt.toISOString(), call.direction, call.client ?? 'anonymous', call.did]
          : ['', '', '', ''];
      rows.push([...ofCall, one.extension, one.result, one.duration, one.waiting, one.registered ? 'yes' : one.reason]);
    }
  }
  const headings = [
    'started',
    'direction',
    'client',
    'did',
    'extension',
    'result',
    'talked s',
    'waited s',
    'registered',
  ];
  context.print(formatTable(headings, rows));
  if (dryRun === null) return;
  context.print(`\nWould be written:\n${formatTable(['call', 'client', 'crm', 'what', 'with'], writes)}`);
  for (const fault of dryRun.faults()) context.print(`\n${fault}`);
}

export interface ReplayParts {
  readonly plan: NumberPlan;
  readonly log: Log;
  readonly screen: CallTrackerParts['screen'];
  /** False leaves out calls between employees. */
  readonly keepsInternal: boolean;
}

/** A call as replay prints it. */
export function toReplayJson(call: Call): object {
  const { linkedId, direction, client, did, result, startedAt, endedAt, isIvr } = call;
  return {
    linkedId,
    direction,
    client,
    did,
    result,
    startedAt,
    endedAt,
    isIvr,
    conversations: call.conversations.map((conversation) => ({
      uniqueId: conversation.uniqueId,
      extension: conversation.extension,
      result: conversation.result,
      registered: conversation.registered,
      reason: conversation.reason,
      requestedAt: conversation.requestedAt,
      answeredAt: conversation.answeredAt,
      endedAt: conversation.endedAt,
      duration: conversation.duration,
      waiting: conversation.waiting,
      recording: conversation.recording,
      forwardedTo: conversation.forwardedTo,
    })),
  };
}

/** The calls in these streams of one source, in the order of their start. Each stream is one file. */
export async function* replayCalls(
  streams: readonly AsyncIterable<readonly PbxEvent[]>[],
  parts: ReplayParts,
): AsyncGenerator<Call> {
  const finished: Call[] = [];
  const tracker = new CallTracker({
    store: forgetfulStore,
    plan: parts.plan,
    clock: { now: () => new Date() },
    log: parts.log,
    watchers: [],
    screen: parts.screen,
    settings: defaultTrackerSettings,
    onForgotten: (call) => finished.push(call),
  });
  const isPrinted = (call: Call) => parts.keepsInternal || call.direction !== 'internal';
  for await (const events of mergeByTime(streams)) {
    await tracker.accept(events);
    if (finished.length < holdBack) continue;
    finished.sort(byStart);
    yield* finished.splice(0, finished.length - holdBack / 2).filter(isPrinted);
  }
  yield* [...finished, ...tracker.remaining()].sort(byStart).filter(isPrinted);
}

/** A call is printed once this many ended after it: by then none that began earlier is likely to be still open. */
const holdBack = 2_000;

const byStart = (a: Call, b: Call) =>
  a.startedAt.getTime() - b.startedAt.getTime() || (a.linkedId < b.linkedId ? -1 : a.linkedId > b.linkedId ? 1 : 0);

const forgetfulStore: CallStore = {
  save: async () => {},
  load: async () => [],
  loadFollowed: async () => [],
};

/** Several files of the same time, merged event by event, so that what they say of one call meets. */
async function* mergeByTime(
  streams: readonly AsyncIterable<readonly PbxEvent[]>[],
): AsyncGenerator<readonly PbxEvent[]> {
  const heads = streams.map((stream) => new StreamHead(stream));
  try {
    await Promise.all(heads.map((head) => head.advance()));
    for (;;) {
      const open = heads.filter((head) => !head.isDone).sort((a, b) => a.at - b.at);
      const [first, second] = open;
      if (first === undefined) return;
      yield first.takeUntil(second?.at ?? Infinity);
      if (first.isEmpty) await first.advance();
    }
  } finally {
    await Promise.all(heads.map((head) => head.close()));
  }
}

/** The next events of one file. CDR rows reach back to the start of their call; the time of a file never goes back for that. */
class StreamHead {
  readonly #iterator: AsyncIterator<readonly PbxEvent[]>;
  #events: readonly PbxEvent[] = [];
  #index = 0;
  #reachedAt = -Infinity;
  isDone = false;

  constructor(stream: AsyncIterable<readonly PbxEvent[]>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  get isEmpty(): boolean {
    return this.#index >= this.#events.length;
  }
  get at(): number {
    return Math.max(this.#reachedAt, this.#events[this.#index]?.at ?? this.#reachedAt);
  }

  async advance(): Promise<void> {
    do {
      const next = await this.#iterator.next();
      if (next.done === true) {
        this.isDone = true;
        return;
      }
      this.#events = next.value;
      this.#index = 0;
    } while (this.#events.length === 0);
  }

  /** Closes the file, also where the reading of another has failed. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  takeUntil(at: number): readonly PbxEvent[] {
    const from = this.#index;
    do {
      this.#reachedAt = this.at;
      this.#index++;
    } while (!this.isEmpty && this.at <= at);
    return this.#events.slice(from, this.#index);
  }
}
