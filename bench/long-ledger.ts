/** A ledger of many conversations over two years, written by the database itself: only what lists and figures read. */
import type { Knex } from 'knex';

export const days = 730;
export const lastDay = Date.UTC(2026, 10, 21);
export const clients = 100_000;

/** A number between 0 and `below`, the same for the same row and salt, and without pattern. */
const scatter = (row: string, salt: number, below: number) =>
  `((((${row} + ${salt}) * 2654435761) % 4294967296 * 40503 >> 9) % ${below})`;
const pick = (row: string, salt: number, words: readonly string[]) =>
  `case ${scatter(row, salt, words.length)} ${words.map((word, index) => `when ${index} then '${word}'`).join(' ')} end`;

/** Two conversations for each call, as with a transfer or two phones that rang. Two of three calls are answered. */
export async function fillLongLedger(knex: Knex, conversations: number): Promise<void> {
  const calls = Math.ceil(conversations / 2);
  const first = lastDay - days * 86_400_000;
  const number = `substr('0000000' || ${scatter('n', 3, clients)}, -7)`;
  const reversed = Array.from({ length: 7 }, (_, index) => `substr(number, ${7 - index}, 1)`).join(' || ');
  await knex.raw(`create temporary table numbers as
    with recursive counted(n) as (select 1 union all select n + 1 from counted where n < ${calls}) select n from counted`);
  await knex.raw(`insert into calls
    (id, source, linked_id, direction, client, client_reversed, client_name, did, trunk, result, started_at, ended_at,
      is_ivr, queue, queue_joined_at, queue_left_at)
    select n, 'office', 'l' || n, ${pick('n', 5, ['inbound', 'inbound', 'inbound', 'outbound'])}, '+7916' || number,
      ${reversed} || '6197', null, ${pick('n', 7, ['74950000001', '74950000002', '74950000003', '74950000004'])}, 'provider',
      ${pick('n', 9, ['answered', 'answered', 'answered', 'answered', 'missed', 'busy'])}, at, at + 90000, false,
      ${pick('n', 11, ['sales', 'support', '', ''])}, at, at + 20000
    from (select n, ${number} as number, ${first} + cast(n * ${(days * 86_400_000) / calls} as integer) as at from numbers)`);
  await knex.raw(`update calls set queue = null, queue_joined_at = null, queue_left_at = null where queue = ''`);
  await knex.raw(`insert into call_links (source, linked_id, call_id) select source, linked_id, id from calls`);
  for (const position of [0, 1]) {
    await knex.raw(`insert into conversations
      (call_id, call_started_at, position, source, unique_id, channel, extension, result, registered, reason, requested_at,
        answered_at, ended_at, duration, waiting)
      select id, started_at, ${position}, source, 'u' || id || '-${position}', 'PJSIP/101-1',
        cast(100 + ${scatter('id', 13 + position, 50)} as text), result,
        ${position === 0 ? `${scatter('id', 17, 20)} > 0` : `${scatter('id', 19, 3)} = 0`},
        case when ${position === 0 ? `${scatter('id', 17, 20)} > 0` : `${scatter('id', 19, 3)} = 0`} then null
          else ${position === 0 ? `'rule:suppliers'` : `'rang_elsewhere'`} end,
        started_at + ${position * 1000}, case when result = 'answered' then started_at + 9000 end, ended_at,
        case when result = 'answered' then ${scatter('id', 23, 400)} else 0 end, 9
      from calls`);
  }
  for (const crm of ['local', 'kommo']) {
    await knex.raw(`insert into deliveries
      (crm, kind, call_id, source, unique_id, state, attempts, due_at, fence, progress, crm_id, created_at, delivered_at)
      select '${crm}', 'conversation', call_id, source, unique_id,
        case when ${scatter('id', 29, 2000)} = 0 then 'rejected' when ${scatter('id', 31, 200)} = 0 then 'skipped'
          when call_id > ${calls - 20} then 'pending' else 'delivered' end,
        1, ended_at, 1, '{}', id, ended_at, ended_at
      from conversations where registered = 1 ${crm === 'kommo' ? `and ${scatter('id', 37, 5000)} > 0` : ''}`);
  }
  await knex.raw(`drop table numbers`);
}
