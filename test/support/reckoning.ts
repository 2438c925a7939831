/** Holds what stands in a ledger and in the built-in CRM after all faults against what a clean run comes to. */
import { setTimeout as delay } from 'node:timers/promises';
import { replayCalls } from '../../src/cli/replay.ts';
import type { Call } from '../../src/core/call.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import type { DatabaseConfig } from '../../src/storage/config.ts';
import { openDatabase } from '../../src/storage/connection.ts';
import { readCalls } from '../../src/storage/read-calls.ts';
import {
  amiEvents,
  apartMs,
  celEvents,
  describeFacts,
  labNumbering,
  withoutAmiAlone,
  withoutDialler,
  type RecordedStory,
} from './recorded-traffic.ts';
import { silentLog } from './silent-log.ts';

export interface Ledger {
  readonly calls: readonly Call[];
  readonly deliveries: readonly {
    readonly uniqueId: string;
    readonly state: string;
    readonly lastError: string | null;
  }[];
  /** uniqueIds of the call notes of the built-in CRM. */
  readonly notes: readonly string[];
  /** Numbers of the clients to be called back, one for each task. */
  readonly tasks: readonly string[];
  readonly contacts: readonly string[];
}

/** What is written in the database, read past everything that serves it. */
export async function readLedger(config: DatabaseConfig): Promise<Ledger> {
  const database = await openDatabase(config);
  try {
    const { knex } = database;
    const ids = await knex('calls').orderBy('id').pluck<number[]>('id');
    const deliveries = await knex('deliveries')
      .orderBy('id')
      .select<{ unique_id: string; state: string; last_error: string | null }[]>('unique_id', 'state', 'last_error');
    return {
      calls: (await readCalls(knex, ids)).map(({ call }) => call),
      deliveries: deliveries.map((row) => ({ uniqueId: row.unique_id, state: row.state, lastError: row.last_error })),
      notes: await knex('local_call_notes').orderBy('id').pluck<string[]>('unique_id'),
      tasks: await knex('local_tasks')
        .leftJoin('local_contact_numbers', 'local_contact_numbers.contact_id', 'local_tasks.contact_id')
        .orderBy('local_tasks.id')
        .pluck<string[]>('local_contact_numbers.number'),
      contacts: await knex('local_contact_numbers').orderBy('number').pluck<string[]>('number'),
    };
  } finally {
    await database.close();
  }
}

/** What the played stories come to when nothing fails. */
export async function cleanRun(played: readonly RecordedStory[]): Promise<Call[]> {
  const once = async function* (events: readonly PbxEvent[]) {
    yield events;
  };
  const calls: Call[] = [];
  for (const story of played) {
    const parts = { plan: labNumbering(story.mobiles), log: silentLog, screen: () => null, keepsInternal: true };
    const streams = [once(amiEvents(story.ami)), once(celEvents(story.cel))];
    for await (const call of replayCalls(streams, parts)) calls.push(call);
  }
  return calls;
}

/**
 * Besides what `withoutAmiAlone` and `withoutDialler` name, only AMI tells the number that was dialled where nobody answered a call
 * forwarded to it (DialBegin; CEL's APP_START has only the first Dial of an extension), and the id of a click-to-call request
 * and its number, where nobody was called (VarSet, NewConnectedLine). Of it, the two numbers are sent to a CRM.
 */
function comparable(calls: readonly Call[]): Map<string, ReturnType<typeof describeFacts>> {
  const described = withoutDialler(withoutAmiAlone(calls)).map((call) => {
    const hasFailedRequest = call.conversations.some((one) => one.reason === 'rule:click_to_call_unanswered');
    const conversations = call.conversations.map((one) => ({
      ...one,
      requestId: null,
      forwardedTo: one.result === 'answered' ? one.forwardedTo : null,
    }));
    return [
      call.linkedId,
      describeFacts({ ...call, client: hasFailedRequest ? null : call.client, conversations }),
    ] as const;
  });
  return new Map(described);
}

/** What differs from the clean run, in plain lines; empty when every call stands there once and every debt is paid once. */
export function differencesFrom(ledger: Ledger, clean: readonly Call[]): string[] {
  const faults: string[] = [];
  const is = comparable(ledger.calls);
  const must = comparable(clean);
  if (ledger.calls.length !== clean.length) faults.push(`${ledger.calls.length} calls, must be ${clean.length}`);
  for (const [linkedId, wanted] of must) {
    const found = is.get(linkedId);
    if (found === undefined) faults.push(`${linkedId} is missing`);
    else if (JSON.stringify(found.facts) !== JSON.stringify(wanted.facts))
      faults.push(`${linkedId} is   ${JSON.stringify(found.facts)}\n  must be ${JSON.stringify(wanted.facts)}`);
    else if (!wanted.times.every((at, place) => Math.abs(at - found.times[place]!) <= apartMs))
      faults.push(`${linkedId} is at ${found.times.join()}, must be at ${wanted.times.join()}`);
  }
  for (const linkedId of is.keys()) if (!must.has(linkedId)) faults.push(`${linkedId} is a call too many`);

  const sent = clean.flatMap((call) =>
    call.conversations.filter((one) => one.registered).map((conversation) => ({ call, conversation })),
  );
  const ids = sent.map(({ conversation }) => conversation.uniqueId).sort();
  const delivered = ledger.deliveries.filter(({ state }) => state === 'delivered').map(({ uniqueId }) => uniqueId);
  for (const one of ledger.deliveries)
    if (one.state !== 'delivered') faults.push(`the delivery of ${one.uniqueId} is ${one.state}: ${one.lastError}`);
  faults.push(...differencesOfLists('deliveries', delivered, ids));
  faults.push(...differencesOfLists('call notes', ledger.notes, ids));
  const missed = sent.filter(
    ({ call, conversation }) => call.direction === 'inbound' && conversation.result !== 'answered',
  );
  const toCallBack = [...new Set(missed.flatMap(({ call }) => call.client ?? []))];
  faults.push(...differencesOfLists('tasks', ledger.tasks, toCallBack));
  const reached = sent.filter(
    ({ call, conversation }) => call.direction === 'inbound' || conversation.result === 'answered',
  );
  const clients = [...new Set(reached.flatMap(({ call }) => call.client ?? []))];
  faults.push(...differencesOfLists('contacts', ledger.contacts, clients));
  return faults;
}

/** Waits until all these calls are there, have ended, and nothing is owed any more; or until the time is over. */
export async function untilSettled(config: DatabaseConfig, clean: readonly Call[], timeoutMs = 40_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { calls, deliveries } = await readLedger(config);
    const isOpen = calls.some((call) => call.endedAt === null);
    const isOwed = deliveries.some(({ state }) => state === 'pending' || state === 'leased');
    if ((calls.length >= clean.length && !isOpen && !isOwed) || performance.now() > deadline) return;
    await delay(300);
  }
}

function differencesOfLists(name: string, is: readonly string[], must: readonly string[]): string[] {
  const left = [...is];
  const missing = must.filter((item) => {
    const index = left.indexOf(item);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
  return [
    ...(missing.length > 0 ? [`${name} missing: ${missing.join(', ')}`] : []),
    ...(left.length > 0 ? [`${name} too many: ${left.join(', ')}`] : []),
  ];
}
