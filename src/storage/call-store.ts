import { hash } from 'node:crypto';
import type { Knex } from 'knex';
import type { CallChange, CallStore, Clock, LedgerReader, StoredCall } from '../core/ports.ts';
import { callColumns, conversationColumns, toCallRow, toConversationRow } from './call-rows.ts';
import type { ConversationRow } from './call-rows.ts';
import type { Database } from './connection.ts';
import { deliveryColumns, newDelivery } from './delivery-store.ts';
import { insertRows, overwrite, overwriteChanged, portions } from './insert-rows.ts';
import { groupBy, parseEvents, readCalls } from './read-calls.ts';

interface StoredIdentity {
  readonly id: number;
  readonly source: string;
  readonly linked_id: string;
}

type StoredEnd = StoredIdentity & { readonly ended_at: number | null };

/** What an upsert writes: its identity is the same by definition, and an index that is not written costs nothing. */
const without = (columns: object, others: readonly string[]) =>
  Object.keys(columns).filter((column) => !others.includes(column));

const keyOf = (source: string, id: string) => `${source}\n${id}`;

/**
 * One change per call, in the order of the last ones. A change of a call that a later change of the same batch absorbs
 * is carried by the absorbing one.
 */
function combine(changes: readonly CallChange[]): CallChange[] {
  const combined = new Map<string, CallChange>();
  for (const change of changes) {
    const { source, linkedId } = change.call;
    let whole = change;
    for (const earlierId of [...change.absorbed, linkedId]) {
      const earlier = combined.get(keyOf(source, earlierId));
      if (earlier === undefined) continue;
      combined.delete(keyOf(source, earlierId));
      whole = {
        call: change.call,
        newEvents: [...earlier.newEvents, ...whole.newEvents],
        absorbed: [...new Set([...earlier.absorbed, ...whole.absorbed])],
        owed: [...new Set([...earlier.owed, ...whole.owed])],
      };
    }
    combined.set(keyOf(source, linkedId), whole);
  }
  return [...combined.values()];
}

/** Upserts the calls and returns their row ids by identity. */
async function saveCalls(trx: Knex.Transaction, changes: readonly CallChange[]): Promise<Map<string, number>> {
  // In a fixed order, so that two nodes that save the same calls wait for each other and never crosswise.
  const rows = changes
    .map((change) => toCallRow(change.call))
    .sort((a, b) => (keyOf(a.source, a.linked_id) < keyOf(b.source, b.linked_id) ? -1 : 1));
  const saved = await insertRows(trx, {
    table: 'calls',
    columns: callColumns,
    rows,
    onConflict: `(source, linked_id) ${overwrite(without(callColumns, ['source', 'linked_id']))}`,
    returning: ['id', 'source', 'linked_id'],
  });
  return new Map((saved as StoredIdentity[]).map((row) => [keyOf(row.source, row.linked_id), row.id]));
}

/** Gives everything that hangs on an absorbed call to the call that it is part of, and removes its row. */
async function absorb(trx: Knex.Transaction, change: CallChange, callId: number): Promise<void> {
  const linkedIds = change.absorbed.filter((linkedId) => linkedId !== change.call.linkedId);
  const absorbedIds = await trx('calls')
    .where('source', change.call.source)
    .whereIn('linked_id', linkedIds)
    .orderBy('id')
    .pluck<number[]>('id');
  for (const absorbedId of absorbedIds) {
    await trx('call_events')
      .where('call_id', absorbedId)
      .whereIn('digest', trx('call_events').where('call_id', callId).select('digest'))
      .delete();
    for (const table of ['call_events', 'call_links', 'conversations', 'deliveries']) {
      await trx(table).where('call_id', absorbedId).update({ call_id: callId });
    }
    await trx('calls').where('id', absorbedId).delete();
  }
}

async function saveLinks(
  trx: Knex.Transaction,
  changes: readonly CallChange[],
  ids: ReadonlyMap<string, number>,
): Promise<void> {
  const links = new Map<string, { source: string; linked_id: string; call_id: number }>();
  for (const { call, absorbed } of changes) {
    const callId = ids.get(keyOf(call.source, call.linkedId))!;
    for (const linkedId of [call.linkedId, ...call.linkedIds, ...absorbed]) {
      links.set(keyOf(call.source, linkedId), { source: call.source, linked_id: linkedId, call_id: callId });
    }
  }
  await insertRows(trx, {
    table: 'call_links',
    columns: { source: 'text', linked_id: 'text', call_id: 'bigint' },
    rows: [...links.values()],
    onConflict: `(source, linked_id) ${overwriteChanged('call_links', ['call_id'])}`,
  });
}

/**
 * A recording that was known is not lost when the call is told again by somebody who does not know it; but a phone that did
 * not talk after all has none.
 */
const recordingKept = `case when excluded.answered_at is null and excluded.result <> 'voicemail' then excluded.recording
  else coalesce(excluded.recording, conversations.recording) end`;

async function saveConversations(
  trx: Knex.Transaction,
  changes: readonly CallChange[],
  ids: ReadonlyMap<string, number>,
): Promise<void> {
  const wanted = new Map<string, Omit<ConversationRow, 'id'>>();
  for (const { call } of changes) {
    const callId = ids.get(keyOf(call.source, call.linkedId))!;
    call.conversations.forEach((conversation, position) =>
      wanted.set(keyOf(call.source, conversation.uniqueId), toConversationRow(call, callId, conversation, position)),
    );
  }
  const stale: number[] = [];
  for (const callIds of portions([...ids.values()])) {
    const stored: { id: number; source: string; unique_id: string }[] = await trx('conversations')
      .whereIn('call_id', callIds)
      .select('id', 'source', 'unique_id');
    stale.push(...stored.filter((row) => !wanted.has(keyOf(row.source, row.unique_id))).map((row) => row.id));
  }
  for (const rowIds of portions(stale)) await trx('conversations').whereIn('id', rowIds).delete();

  const columns = without(conversationColumns, ['source', 'unique_id', 'recording']);
  await insertRows(trx, {
    table: 'conversations',
    columns: conversationColumns,
    rows: [...wanted.values()],
    onConflict: `(source, unique_id) ${overwriteChanged('conversations', columns, { recording: recordingKept })}`,
  });
}

async function saveEvents(
  trx: Knex.Transaction,
  changes: readonly CallChange[],
  ids: ReadonlyMap<string, number>,
): Promise<void> {
  const steps = changes.flatMap(({ call, newEvents }) => {
    if (newEvents.length === 0) return [];
    const events = JSON.stringify(newEvents);
    const digest = hash('sha1', events, 'base64url');
    return [{ call_id: ids.get(keyOf(call.source, call.linkedId))!, digest, events }];
  });
  await insertRows(trx, {
    table: 'call_events',
    columns: { call_id: 'bigint', digest: 'text', events: 'text' },
    rows: steps,
    onConflict: '(call_id, digest) do nothing',
  });
}

/**
 * The ledger of calls on SQLite or PostgreSQL.
 *
 * `crms` are the configured CRMs: each is owed every conversation named in `owed`, first due `settleMs` after it was
 * saved, so that what other readers still know about the call has time to arrive. `announce` is called after a commit
 * that may have made a delivery.
 */
export function createCallStore(options: {
  readonly database: Database;
  readonly crms: readonly string[];
  readonly settleMs: number;
  readonly clock: Clock;
  readonly announce?: () => void;
}): CallStore & LedgerReader {
  const { database, crms, settleMs, clock } = options;
  const { knex } = database;

  async function saveDeliveries(
    trx: Knex.Transaction,
    changes: readonly CallChange[],
    ids: ReadonlyMap<string, number>,
  ): Promise<void> {
    const now = clock.now().getTime();
    const rows = changes.flatMap(({ call, owed }) =>
      owed.flatMap((uniqueId) =>
        crms.map((crm) =>
          newDelivery(
            {
              crm,
              call_id: ids.get(keyOf(call.source, call.linkedId))!,
              source: call.source,
              unique_id: uniqueId,
            },
            { due_at: now + settleMs, created_at: now },
          ),
        ),
      ),
    );
    await insertRows(trx, {
      table: 'deliveries',
      columns: deliveryColumns,
      rows,
      onConflict: '(source, unique_id, crm, kind) do nothing',
    });
  }

  async function readStored(rows: readonly StoredIdentity[]): Promise<StoredCall[]> {
    const stored: StoredCall[] = [];
    for (const portion of portions(rows)) {
      const ids = portion.map((row) => row.id);
      const links: { call_id: number; linked_id: string }[] = await knex('call_links')
        .whereIn('call_id', ids)
        .orderBy('linked_id')
        .select('call_id', 'linked_id');
      const steps: { call_id: number; events: string }[] = await knex('call_events')
        .whereIn('call_id', ids)
        .orderBy('id')
        .select('call_id', 'events');
      const owed: { call_id: number; unique_id: string }[] = await knex('deliveries')
        .whereIn('call_id', ids)
        .where('kind', 'conversation')
        .distinct('call_id', 'unique_id');
      const linksByCall = groupBy(links, (link) => link.call_id);
      const stepsByCall = groupBy(steps, (step) => step.call_id);
      const owedByCall = groupBy(owed, (debt) => debt.call_id);
      for (const { id, source, linked_id: linkedId } of portion) {
        const others = (linksByCall.get(id) ?? []).map((link) => link.linked_id).filter((other) => other !== linkedId);
        stored.push({
          source,
          linkedId,
          linkedIds: [linkedId, ...others],
          events: parseEvents((stepsByCall.get(id) ?? []).map((step) => step.events)),
          owed: (owedByCall.get(id) ?? []).map((debt) => debt.unique_id),
        });
      }
    }
    return stored;
  }

  return {
    async save(changes) {
      if (changes.length === 0) return;
      const combined = combine(changes);
      await knex.transaction(async (trx) => {
        const ids = await saveCalls(trx, combined);
        for (const change of combined) {
          if (change.absorbed.length === 0) continue;
          await absorb(trx, change, ids.get(keyOf(change.call.source, change.call.linkedId))!);
        }
        await saveLinks(trx, combined, ids);
        await saveConversations(trx, combined, ids);
        await saveEvents(trx, combined, ids);
        await saveDeliveries(trx, combined, ids);
      });
      if (combined.some((change) => change.owed.length > 0)) options.announce?.();
    },

    async load(source, linkedIds) {
      const found = new Map<number, StoredIdentity>();
      for (const portion of portions(linkedIds)) {
        const rows: StoredIdentity[] = await knex('call_links')
          .join('calls', 'calls.id', 'call_links.call_id')
          .where('call_links.source', source)
          .whereIn('call_links.linked_id', portion)
          .distinct('calls.id', 'calls.source', 'calls.linked_id');
        for (const row of rows) found.set(row.id, row);
      }
      return readStored([...found.values()]);
    },

    async loadFollowed(source, endedWithinMs) {
      const columns = ['id', 'source', 'linked_id', 'ended_at'] as const;
      const calls = () =>
        knex<StoredEnd>('calls')
          .where('source', source)
          .select(...columns);
      const open = await calls().whereNull('ended_at');
      const latest = await calls()
        .whereNotNull('ended_at')
        .orderBy('started_at', 'desc')
        .orderBy('id', 'desc')
        .limit(200);
      const endOf = ({ ended_at }: StoredEnd) => Number(ended_at);
      const newest = Math.max(...latest.map(endOf));
      const ended = latest.filter((row) => endOf(row) >= newest - endedWithinMs);
      return readStored([...open, ...ended].sort((a, b) => a.id - b.id));
    },

    async conversation(source, uniqueId) {
      const callIds = await knex('conversations').where({ source, unique_id: uniqueId }).pluck<number[]>('call_id');
      const [found] = await readCalls(knex, callIds);
      const conversation = found?.call.conversations.find((one) => one.uniqueId === uniqueId);
      return found === undefined || conversation === undefined ? null : { call: found.call, conversation };
    },
  };
}
