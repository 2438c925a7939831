import type { Knex } from 'knex';
import type { Call } from '../core/call.ts';
import type { PbxEvent } from '../core/pbx-event.ts';
import { toCall } from './call-rows.ts';
import type { CallRow, ConversationRow } from './call-rows.ts';

/** Sorts rows into lists by one of their columns. */
export function groupBy<T, K>(rows: readonly T[], keyOf: (row: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

/** Once each: the same event may stand in two steps when a save was repeated together with later events. */
export function parseEvents(steps: readonly string[]): PbxEvent[] {
  const events = steps.flatMap((step) => JSON.parse(step) as PbxEvent[]);
  return [...new Map(events.map((event) => [JSON.stringify(event), event])).values()];
}

/** The calls of these row ids, whole, in the order of the ids; ids that do not exist are left out. */
export async function readCalls(
  knex: Knex,
  ids: readonly number[],
): Promise<readonly { readonly id: number; readonly call: Call }[]> {
  if (ids.length === 0) return [];
  const rows = await knex('calls').whereIn('id', ids).select<CallRow[]>('*');
  const links = await knex('call_links').whereIn('call_id', ids).orderBy('linked_id').select('call_id', 'linked_id');
  const conversations = await knex('conversations')
    .whereIn('call_id', ids)
    .orderBy('position')
    .select<ConversationRow[]>('*');

  const rowById = new Map(rows.map((row) => [row.id, row]));
  const linksByCall = groupBy(links as { call_id: number; linked_id: string }[], (link) => link.call_id);
  const conversationsByCall = groupBy(conversations, (conversation) => conversation.call_id);
  return ids.flatMap((id) => {
    const row = rowById.get(id);
    if (row === undefined) return [];
    const linkedIds = (linksByCall.get(id) ?? []).map((link) => link.linked_id);
    return [{ id, call: toCall(row, linkedIds, conversationsByCall.get(id) ?? []) }];
  });
}
