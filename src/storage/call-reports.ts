import type { CallResult, Direction } from '../core/call.ts';
import type { CallReports, ClockOffset, ConversationCount, ReportPeriod } from '../core/call-reports.ts';
import type { Database } from './connection.ts';

const halfHourMs = 1_800_000;
const dayMs = 86_400_000;

/** Reads figures on the connection of lists, which does not hold up saving. */
export function createCallReports({ reader: knex, knex: writer }: Database): CallReports {
  const callsIn = ({ from, to, extensions }: ReportPeriod) => {
    const query = knex('calls as c')
      .where('c.started_at', '>=', from.getTime())
      .where('c.started_at', '<', to.getTime());
    if (extensions !== null) {
      void query.whereExists((some) => {
        void some.from('conversations as s').select(knex.raw('1')).whereRaw('s.call_id = c.id');
        void some.whereIn('s.extension', extensions);
      });
    }
    return query;
  };

  /** Inbound calls that ended, by the number that was called and the queue: each call once, however many phones rang. */
  async function arrivals(period: ReportPeriod): Promise<readonly ArrivalRow[]> {
    const each = callsIn(period)
      .where('c.direction', 'inbound')
      .whereNotNull('c.ended_at')
      .join('conversations as v', 'v.call_id', 'c.id')
      .groupBy('c.id', 'c.did', 'c.queue', 'c.result', 'c.queue_joined_at', 'c.queue_left_at')
      .select('c.did', 'c.queue', 'c.result', { joined: 'c.queue_joined_at', left_at: 'c.queue_left_at' })
      .select(
        knex.raw(`sum(v.duration) as talk,
          coalesce(min(v.answered_at), max(v.ended_at), min(v.requested_at)) - min(v.requested_at) as waited`),
      );
    if (period.extensions !== null) void each.whereIn('v.extension', period.extensions);
    return knex
      .from(each.as('e'))
      .groupBy('e.did', 'e.queue')
      .select('e.did', 'e.queue')
      .select(
        knex.raw(`sum(case when e.result = 'answered' then 1 else 0 end) as answered,
          sum(case when e.result = 'answered' then 0 else 1 end) as unanswered,
          sum(e.talk) as talk, sum(e.waited) as waiting, sum(coalesce(e.left_at, e.joined) - e.joined) as queued`),
      );
  }

  return {
    async missedClients({ limit, ...period }) {
      const missed = callsIn(period)
        .where('c.direction', 'inbound')
        .whereNot('c.result', 'answered')
        .whereNotNull('c.client')
        .whereNotNull('c.ended_at')
        .groupBy('c.client', 'c.client_reversed')
        .select('c.client', 'c.client_reversed')
        .max({ last_at: 'c.started_at', last_id: 'c.id' })
        .count({ calls: '*' });
      /** Talked to since: they called again and were answered, or were called back and answered. */
      const rows: {
        source: string;
        linked_id: string;
        client: string;
        client_name: string | null;
        did: string | null;
        started_at: number;
        ended_at: number | null;
        calls: number;
        tried: number;
        who: string | null;
        taken_at: number | null;
      }[] = await knex
        .from(missed.as('m'))
        .join('calls as l', 'l.id', 'm.last_id')
        .leftJoin('missed_takes as t', (on) => on.on('t.client', 'm.client').on('t.at', '>', 'm.last_at'))
        .whereNotExists((later) => {
          void later.from('calls as a').select(knex.raw('1'));
          void later.whereRaw('a.client_reversed = m.client_reversed and a.started_at > m.last_at');
          // Hidden from the index of results: a client's own calls are few, answered ones are most of all.
          void later.whereRaw(`coalesce(a.result, '') = 'answered'`);
        })
        .orderBy('m.last_at', 'desc')
        .limit(limit)
        .select(
          'l.source',
          'l.linked_id',
          'l.client',
          'l.client_name',
          'l.did',
          'l.started_at',
          'l.ended_at',
          'm.calls',
        )
        .select('t.who', { taken_at: 't.at' })
        .select(
          knex.raw(
            `(select count(*) from calls as b where b.client_reversed = m.client_reversed
              and b.started_at > m.last_at and b.direction = 'outbound') as tried`,
          ),
        );
      return rows.map((row) => ({
        source: row.source,
        linkedId: row.linked_id,
        client: row.client,
        clientName: row.client_name,
        did: row.did,
        calledAt: new Date(row.started_at),
        endedAt: row.ended_at === null ? null : new Date(row.ended_at),
        calls: Number(row.calls),
        triedBack: Number(row.tried),
        takenBy: row.who,
        takenAt: row.taken_at === null ? null : new Date(row.taken_at),
      }));
    },

    async takeMissed(client, take) {
      if (take === null) {
        await writer('missed_takes').where({ client }).delete();
        return;
      }
      const row = { client, who: take.who, at: take.at.getTime() };
      await writer('missed_takes').insert(row).onConflict('client').merge();
    },

    async overview(period) {
      const slot = knex.raw(`c.started_at / ${halfHourMs} * ${halfHourMs}`);
      const calls = (await callsIn(period)
        .groupBy(slot)
        .groupBy('c.direction', 'c.result')
        .select('c.direction', 'c.result', { slot })
        .count({ calls: '*' })
        .orderBy('slot')) as unknown as { slot: number; direction: string; result: string; calls: number }[];
      const byExtension = knex('conversations as v')
        .where('v.requested_at', '>=', period.from.getTime())
        .where('v.requested_at', '<', period.to.getTime())
        .whereNotNull('v.extension')
        // That a colleague took the call is no fault of the others.
        .whereRaw(`coalesce(v.reason, '') <> 'rang_elsewhere'`)
        // Not the plain column: a database that walks its index to group reads the conversations of all years.
        .groupBy(knex.raw(`coalesce(v.extension, '')`))
        .select({ name: knex.raw(`coalesce(v.extension, '')`) as unknown as string });
      if (period.extensions !== null) void byExtension.whereIn('v.extension', period.extensions);
      const extensions: SumRow[] = await byExtension
        .select(
          knex.raw(`sum(case when v.answered_at is null then 0 else 1 end) as answered,
            sum(case when v.answered_at is null then 1 else 0 end) as unanswered,
            sum(v.duration) as talk, sum(v.waiting) as waiting`),
        )
        .orderBy('answered', 'desc')
        .limit(100);
      const arrived = await arrivals(period);
      return {
        calls: calls.map((row) => ({
          from: new Date(Number(row.slot)),
          direction: row.direction as Direction,
          result: row.result as CallResult,
          calls: Number(row.calls),
        })),
        extensions: extensions.map(toCount),
        dids: sumBy(arrived, ({ did }) => did, 'waiting'),
        queues: sumBy(arrived, ({ queue }) => queue, 'queued').flatMap(({ name, ...sums }) =>
          name === null ? [] : [{ name, ...sums }],
        ),
      };
    },

    async extensionsSeen({ from, to }) {
      return knex('conversations')
        .where('requested_at', '>=', from.getTime())
        .where('requested_at', '<', to.getTime())
        .whereNotNull('extension')
        .distinct('extension')
        .orderBy('extension')
        .limit(2_000)
        .pluck<string[]>('extension');
    },

    async completeness({ from, to, crms, clocks }) {
      const counted = await Promise.all(
        crms.map(async (crm) => {
          const day = knex.raw(`(v.requested_at + ${aheadOf(clocks, 'v.requested_at')}) / ${dayMs}`);
          const rows: { day: number; state: string | null; count: number }[] = await knex('conversations as v')
            .leftJoin('deliveries as d', (on) => {
              // By its call: that index is small and near.
              on.on('d.call_id', 'v.call_id').on('d.unique_id', 'v.unique_id');
              on.andOnVal('d.crm', crm).andOnVal('d.kind', 'conversation');
            })
            .where('v.registered', true)
            .whereNotNull('v.ended_at')
            .where('v.requested_at', '>=', from.getTime())
            .where('v.requested_at', '<', to.getTime())
            .groupBy(day)
            .groupBy('d.state')
            .select({ day }, 'd.state')
            .count({ count: '*' });
          const days = [...new Set(rows.map((row) => Number(row.day)))].sort((a, b) => b - a);
          return days.map((number) => {
            const count = (...states: (string | null)[]) =>
              rows
                .filter((row) => Number(row.day) === number && states.includes(row.state))
                .reduce((sum, row) => sum + Number(row.count), 0);
            const [delivered, pending, rejected, skipped, missing] = [
              count('delivered'),
              count('pending', 'leased'),
              count('rejected'),
              count('skipped'),
              count(null),
            ];
            const registered = delivered + pending + rejected + skipped + missing;
            const day = new Date(number * dayMs).toISOString().slice(0, 10);
            return { day, crm, registered, delivered, pending, rejected, skipped, missing };
          });
        }),
      );
      return counted.flat();
    },
  };
}

/** How far the clocks are ahead when the column says. */
function aheadOf(clocks: readonly ClockOffset[], column: string): string {
  const [first, ...changes] = clocks.map(({ from, aheadMs }) => [Number(from), Number(aheadMs)] as const);
  const cases = changes.reverse().map(([from, aheadMs]) => ` when ${column} >= ${from} then ${aheadMs}`);
  const ahead = first?.[1] ?? 0;
  return cases.length === 0 ? String(ahead) : `case${cases.join('')} else ${ahead} end`;
}

interface ArrivalRow {
  readonly did: string | null;
  readonly queue: string | null;
  readonly answered: number;
  readonly unanswered: number;
  readonly talk: number;
  /** Milliseconds until somebody answered or the client gave up; in the queue. */
  readonly waiting: number;
  readonly queued: number | null;
}

/** Most answered first. */
function sumBy(
  rows: readonly ArrivalRow[],
  nameOf: (row: ArrivalRow) => string | null,
  waiting: 'waiting' | 'queued',
): ConversationCount[] {
  const sums = new Map<string | null, { answered: number; unanswered: number; talk: number; waitedMs: number }>();
  for (const row of rows) {
    const name = nameOf(row);
    const sum = sums.get(name) ?? { answered: 0, unanswered: 0, talk: 0, waitedMs: 0 };
    sum.answered += Number(row.answered);
    sum.unanswered += Number(row.unanswered);
    sum.talk += Number(row.talk);
    sum.waitedMs += Number(row[waiting] ?? 0);
    sums.set(name, sum);
  }
  return [...sums]
    .map(([name, { answered, unanswered, talk, waitedMs }]) => {
      return { name, answered, unanswered, talkSeconds: talk, waitingSeconds: Math.round(waitedMs / 1_000) };
    })
    .sort((a, b) => b.answered - a.answered)
    .slice(0, 100);
}

interface SumRow {
  readonly name: string | null;
  readonly answered: number;
  readonly unanswered: number;
  readonly talk: number;
  readonly waiting: number;
}
const toCount = (row: SumRow): ConversationCount => ({
  name: row.name,
  answered: Number(row.answered),
  unanswered: Number(row.unanswered),
  talkSeconds: Number(row.talk),
  waitingSeconds: Number(row.waiting),
});
