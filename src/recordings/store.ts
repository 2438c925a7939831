import type { Knex } from 'knex';
import type { Direction } from '../core/call.ts';
import type { Recording, RecordingPlay, RecordingState, StoredPlay } from '../core/recording.ts';

interface RecordingRow {
  id: string;
  source: string;
  linked_id: string;
  unique_id: string | null;
  position: number;
  subject: string;
  direction: string;
  client: string | null;
  extension: string | null;
  did: string | null;
  started_at: number;
  call_ended_at: number;
  state: string;
  reason: string | null;
  due_at: number | null;
  attempts: number;
  announced_path: string;
  path: string | null;
  root: string | null;
  from_ms: number | null;
  to_ms: number | null;
  duration_ms: number | null;
  peaks: string | null;
  mp3: string | null;
  mp3_bytes: number | null;
  is_interleaved: boolean | number;
  is_archived: boolean | number;
  ready_at: number | null;
  keep_until: number | null;
  link_version: number;
  created_at: number;
}

const toDate = (at: number | null) => (at === null ? null : new Date(Number(at)));
const toTime = (at: Date | null) => at?.getTime() ?? null;

function toRecording(row: RecordingRow): Recording {
  return {
    id: row.id,
    source: row.source,
    linkedId: row.linked_id,
    uniqueId: row.unique_id,
    position: row.position,
    direction: row.direction as Direction,
    client: row.client,
    extension: row.extension,
    did: row.did,
    startedAt: new Date(Number(row.started_at)),
    callEndedAt: new Date(Number(row.call_ended_at)),
    state: row.state as RecordingState,
    reason: row.reason,
    dueAt: toDate(row.due_at),
    attempts: row.attempts,
    announcedPath: row.announced_path,
    path: row.path,
    root: row.root,
    part: row.from_ms === null || row.to_ms === null ? null : { fromMs: Number(row.from_ms), toMs: Number(row.to_ms) },
    durationMs: row.duration_ms === null ? null : Number(row.duration_ms),
    isInterleaved: Boolean(row.is_interleaved),
    peaks: row.peaks === null ? null : row.peaks.split(',').map((channel) => [...Buffer.from(channel, 'base64')]),
    mp3:
      row.mp3 === null ? null : { name: row.mp3, bytes: Number(row.mp3_bytes), isArchived: Boolean(row.is_archived) },
    readyAt: toDate(row.ready_at),
    keepUntil: toDate(row.keep_until),
    linkVersion: row.link_version,
    createdAt: new Date(Number(row.created_at)),
  };
}

/** What changes of a recording after it was added. */
export type RecordingChange = Partial<
  Pick<
    Recording,
    | 'state'
    | 'reason'
    | 'dueAt'
    | 'attempts'
    | 'announcedPath'
    | 'path'
    | 'root'
    | 'part'
    | 'durationMs'
    | 'isInterleaved'
    | 'peaks'
    | 'mp3'
    | 'readyAt'
    | 'keepUntil'
  >
>;

function toColumns(change: RecordingChange): Partial<RecordingRow> {
  const { dueAt, announcedPath, part, durationMs, isInterleaved, peaks, mp3, readyAt, keepUntil, ...same } = change;
  return {
    ...same,
    ...(dueAt === undefined ? {} : { due_at: toTime(dueAt) }),
    ...(announcedPath === undefined ? {} : { announced_path: announcedPath }),
    ...(part === undefined ? {} : { from_ms: part?.fromMs ?? null, to_ms: part?.toMs ?? null }),
    ...(durationMs === undefined ? {} : { duration_ms: durationMs === null ? null : Math.round(durationMs) }),
    ...(isInterleaved === undefined ? {} : { is_interleaved: isInterleaved }),
    ...(peaks === undefined
      ? {}
      : { peaks: peaks?.map((channel) => Buffer.from(channel).toString('base64')).join(',') ?? null }),
    ...(mp3 === undefined
      ? {}
      : { mp3: mp3?.name ?? null, mp3_bytes: mp3?.bytes ?? null, is_archived: mp3?.isArchived ?? false }),
    ...(readyAt === undefined ? {} : { ready_at: toTime(readyAt) }),
    ...(keepUntil === undefined ? {} : { keep_until: toTime(keepUntil) }),
  };
}

export type NewRecording = Pick<
  Recording,
  | 'id'
  | 'source'
  | 'linkedId'
  | 'uniqueId'
  | 'position'
  | 'direction'
  | 'client'
  | 'extension'
  | 'did'
  | 'startedAt'
  | 'callEndedAt'
  | 'announcedPath'
  | 'keepUntil'
> & { readonly dueAt: Date };

const subjectOf = ({ uniqueId, position, announcedPath }: NewRecording) =>
  uniqueId === null ? `whole:${announcedPath}` : `part:${uniqueId}:${position}`;

const placeOf = (one: NewRecording) => `${one.source}\n${subjectOf(one)}`;

function groupUniqueIds(recordings: readonly NewRecording[]): ReadonlyMap<string, string[]> {
  const bySource = new Map<string, string[]>();
  for (const { source, uniqueId } of recordings) {
    if (uniqueId === null) continue;
    const known = bySource.get(source);
    if (known === undefined) bySource.set(source, [uniqueId]);
    else known.push(uniqueId);
  }
  return bySource;
}

/** A call of the ledger that may have recordings nobody looked for yet. */
export interface UnseenCall {
  readonly source: string;
  readonly linkedId: string;
}

/** Owes the link of the conversation's first recording that can be heard, once all before it are known to be none. */
async function owe(
  trx: Knex.Transaction,
  of: { readonly recording: Recording; readonly crms: readonly string[]; readonly now: number },
): Promise<void> {
  const conversation = { source: of.recording.source, unique_id: of.recording.uniqueId };
  const states: { state: RecordingState }[] = await trx('recordings')
    .where(conversation)
    .orderBy('position')
    // Of two that become known at once, the second sees what the first has said.
    .forUpdate()
    .select('state');
  const first = states.find(({ state }) => !['missing', 'empty', 'unreadable', 'removed'].includes(state));
  if (first?.state !== 'ready' && first?.state !== 'original') return;
  const debts: { crm: string; call_id: number }[] = await trx('deliveries')
    .where({ ...conversation, kind: 'conversation' })
    .whereIn('crm', of.crms)
    .select('crm', 'call_id');
  for (const { crm, call_id } of debts) {
    await trx('deliveries')
      .insert({
        ...conversation,
        crm,
        kind: 'recording',
        call_id,
        state: 'pending',
        attempts: 0,
        due_at: of.now,
        fence: 0,
        progress: '{}',
        created_at: of.now,
      })
      .onConflict(['source', 'unique_id', 'crm', 'kind'])
      .ignore();
  }
}

/** So many, behind this id; the empty one is before all. */
interface IdPage {
  readonly after: string;
  readonly limit: number;
}

/** Recordings in the service's own database; `db` has the tables of `migrations/0004_recordings`. */
export class RecordingStore {
  readonly #db: Knex;
  readonly #now: () => Date;

  constructor(parts: { readonly db: Knex; readonly now: () => Date }) {
    this.#db = parts.db;
    this.#now = parts.now;
  }

  /** Adds those that are not there yet; of those that nothing announced and nobody found, one that is announced now is looked for. */
  async add(recordings: readonly NewRecording[]): Promise<void> {
    const now = this.#now().getTime();
    const homes = await this.#homesOf(recordings);
    const rows = recordings.map((one) => ({
      id: one.id,
      source: one.source,
      linked_id: homes.get(placeOf(one)) ?? one.linkedId,
      unique_id: one.uniqueId,
      position: one.position,
      subject: subjectOf(one),
      direction: one.direction,
      client: one.client,
      extension: one.extension,
      did: one.did,
      started_at: one.startedAt.getTime(),
      call_ended_at: one.callEndedAt.getTime(),
      state: 'waiting',
      due_at: one.dueAt.getTime(),
      attempts: 0,
      announced_path: one.announcedPath,
      is_archived: false,
      is_interleaved: false,
      keep_until: toTime(one.keepUntil),
      link_version: 1,
      created_at: now,
    }));
    // SQLite takes no more than so many values at once.
    for (let at = 0; at < rows.length; at += 50) {
      const some = rows.slice(at, at + 50);
      await this.#db('recordings').insert(some).onConflict(['source', 'linked_id', 'subject']).ignore();
    }
    for (const { source, linked_id, subject, announced_path, due_at } of rows) {
      if (announced_path === '') continue;
      await this.#db('recordings')
        .where({ source, linked_id, subject, state: 'missing', announced_path: '' })
        .update({ announced_path, due_at });
    }
  }

  /**
   * The linkedids under which parts of conversations stand here already: a call that turns out to be part of another goes
   * by another name from then on, and its recordings are the same.
   */
  async #homesOf(recordings: readonly NewRecording[]): Promise<ReadonlyMap<string, string>> {
    const homes = new Map<string, string>();
    for (const [source, uniqueIds] of groupUniqueIds(recordings)) {
      for (let at = 0; at < uniqueIds.length; at += 500) {
        const rows: { linked_id: string; subject: string }[] = await this.#db('recordings')
          .where({ source })
          .whereIn('unique_id', uniqueIds.slice(at, at + 500))
          .select('linked_id', 'subject');
        for (const row of rows) homes.set(`${source}\n${row.subject}`, row.linked_id);
      }
    }
    return homes;
  }

  /** Ended calls since then with conversations that can have been recorded and have no recording here. */
  async unseenCalls(since: Date, limit: number): Promise<readonly UnseenCall[]> {
    const rows: { source: string; linked_id: string }[] = await this.#db('conversations as c')
      .join('calls as k', 'k.id', 'c.call_id')
      .where('c.requested_at', '>=', since.getTime())
      .whereNotNull('k.ended_at')
      .where((either) => void either.whereNotNull('c.answered_at').orWhere('c.result', 'voicemail'))
      .whereNotExists((known) => {
        void known
          .from('recordings as r')
          .select(this.#db.raw('1'))
          .whereRaw('r.source = c.source and r.unique_id = c.unique_id');
      })
      .groupBy('k.source', 'k.linked_id')
      .limit(limit)
      .select('k.source', 'k.linked_id');
    return rows.map((row) => ({ source: row.source, linkedId: row.linked_id }));
  }

  /** What is due, the longest first; `slow` are those whose original is served meanwhile. */
  async due(now: Date, options: { readonly slow: boolean; readonly limit: number }): Promise<readonly Recording[]> {
    const rows = this.#db<RecordingRow>('recordings').whereNotNull('due_at').where('due_at', '<=', now.getTime());
    void (options.slow ? rows.where('state', 'original') : rows.whereNot('state', 'original'));
    return (await rows.orderBy('due_at').limit(options.limit).select('*')).map(toRecording);
  }
  /** When the next one is due; null: none is. */
  async nextDueAt(): Promise<Date | null> {
    const [row]: { at: number | null }[] = await this.#db('recordings').whereNotNull('due_at').min('due_at as at');
    return toDate(row?.at ?? null);
  }

  /** Refused (false) once the recording was removed. */
  async change(id: string, change: RecordingChange): Promise<boolean> {
    return (await this.#db('recordings').where({ id }).whereNot('state', 'removed').update(toColumns(change))) > 0;
  }

  /** Has it made anew. Refused (false) where it is meant to be elsewhere by now. */
  async loseConverted({ id, mp3 }: Recording, now: Date): Promise<boolean> {
    const changed = await this.#db('recordings')
      .where({ id, state: 'ready', mp3: mp3?.name ?? null, is_archived: false })
      .update(toColumns({ state: 'original', mp3: null, attempts: 0, dueAt: now }));
    return changed > 0;
  }

  /**
   * As `change`, when it is known what becomes of the recording; owes the link to these CRMs if they are owed the
   * conversation: both or neither. The conversation's own delivery is older and goes first.
   */
  async settle(recording: Recording, change: RecordingChange, crms: readonly string[]): Promise<boolean> {
    const now = this.#now().getTime();
    return this.#db.transaction(async (trx) => {
      const changed = await trx('recordings')
        .where({ id: recording.id })
        .whereNot('state', 'removed')
        .update(toColumns(change));
      if (changed === 0) return false;
      if (recording.uniqueId !== null && crms.length > 0) await owe(trx, { recording, crms, now });
      return true;
    });
  }

  async find(id: string): Promise<Recording | null> {
    const row = await this.#db<RecordingRow>('recordings').where({ id }).first('*');
    return row === undefined ? null : toRecording(row);
  }
  async ofConversation(source: string, uniqueId: string): Promise<readonly Recording[]> {
    const rows = await this.#db<RecordingRow>('recordings')
      .where({ source, unique_id: uniqueId })
      .orderBy('position')
      .select('*');
    return rows.map(toRecording);
  }
  async ofCall(source: string, linkedIds: readonly string[]): Promise<readonly Recording[]> {
    const rows = await this.#db<RecordingRow>('recordings')
      .where({ source })
      .whereIn('linked_id', linkedIds)
      .orderBy(['started_at', 'unique_id', 'position', 'id'])
      .select('*');
    return rows.map(toRecording);
  }
  async ofClient(client: string): Promise<readonly Recording[]> {
    const rows = await this.#db<RecordingRow>('recordings').where({ client }).whereNot('state', 'removed').select('*');
    return rows.map(toRecording);
  }
  /** Others that need the same file of the PBX. */
  async ofFile(path: string): Promise<readonly Recording[]> {
    const rows = await this.#db<RecordingRow>('recordings').where({ path }).whereNot('state', 'removed').select('*');
    return rows.map(toRecording);
  }

  /** In pages by id. */
  async expired(now: Date, page: IdPage): Promise<readonly Recording[]> {
    const rows = await this.#inPages(page).whereNotNull('keep_until').where('keep_until', '<=', now.getTime());
    return rows.map(toRecording);
  }
  /** Converted and on this disk, the oldest first. */
  async oldestConverted(options: {
    readonly readyBefore: Date;
    readonly limit: number;
  }): Promise<readonly Recording[]> {
    const rows = await this.#db<RecordingRow>('recordings')
      .where({ is_archived: false, state: 'ready' })
      .where('ready_at', '<=', options.readyBefore.getTime())
      .orderBy('ready_at')
      .limit(options.limit)
      .select('*');
    return rows.map(toRecording);
  }
  /** Bytes of the converted ones on this disk. */
  async convertedBytes(): Promise<number> {
    const [row]: { bytes: number | null }[] = await this.#db('recordings')
      .where({ is_archived: false, state: 'ready' })
      .sum('mp3_bytes as bytes');
    return Number(row?.bytes ?? 0);
  }
  /** The PBX's files that all their recordings were made from long enough ago, in pages by path. */
  async spentFiles(
    endedBefore: Date,
    { after, limit }: { readonly after: string; readonly limit: number },
  ): Promise<readonly { readonly root: string; readonly path: string }[]> {
    const rows: { root: string; path: string }[] = await this.#db('recordings as r')
      .where('r.state', 'ready')
      .whereNotNull('r.path')
      .where('r.call_ended_at', '<=', endedBefore.getTime())
      .whereNotExists((other) => {
        void other
          .from('recordings as o')
          .select(this.#db.raw('1'))
          .whereRaw('o.source = r.source and o.linked_id = r.linked_id')
          .whereIn('o.state', ['waiting', 'original']);
      })
      .where('r.path', '>', after)
      .groupBy('r.root', 'r.path')
      .orderBy('r.path')
      .limit(limit)
      .select('r.root', 'r.path');
    return rows;
  }
  async forgetFile(path: string): Promise<void> {
    await this.#db('recordings').where({ path }).update({ path: null, root: null });
  }

  async counts(): Promise<ReadonlyMap<RecordingState, number>> {
    const rows: { state: RecordingState; count: number }[] = await this.#db('recordings')
      .groupBy('state')
      .select('state', this.#db.raw('count(*) as count'));
    return new Map(rows.map(({ state, count }) => [state, Number(count)]));
  }
  /** In pages by id, for going through all of them. */
  async page(page: IdPage): Promise<readonly Recording[]> {
    return (await this.#inPages(page)).map(toRecording);
  }
  #inPages({ after, limit }: IdPage) {
    return this.#db<RecordingRow>('recordings')
      .where('id', '>', after)
      .whereNot('state', 'removed')
      .orderBy('id')
      .limit(limit)
      .select('*');
  }

  /** Nothing of it is kept but that it was, and why it is gone. */
  async remove(id: string, reason: string): Promise<void> {
    await this.#db('recordings')
      .where({ id })
      .update({
        state: 'removed',
        reason,
        due_at: null,
        announced_path: '',
        path: null,
        root: null,
        peaks: null,
        mp3: null,
        mp3_bytes: null,
        is_archived: false,
        keep_until: null,
        link_version: this.#db.raw('link_version + 1'),
      });
  }
  async revokeLinks(id: string): Promise<boolean> {
    const changed = await this.#db('recordings')
      .where({ id })
      .update({ link_version: this.#db.raw('link_version + 1') });
    return changed > 0;
  }

  async addPlay(id: string, play: RecordingPlay): Promise<void> {
    await this.#db('recording_plays').insert({
      recording_id: id,
      at: this.#now().getTime(),
      address: play.address,
      forwarded_for: play.forwardedFor,
      agent: play.agent,
    });
  }
  async plays(id: string): Promise<readonly StoredPlay[]> {
    const rows: { at: number; address: string; forwarded_for: string | null; agent: string | null }[] = await this.#db(
      'recording_plays',
    )
      .where({ recording_id: id })
      .orderBy('at')
      .limit(1000)
      .select('*');
    return rows.map((row) => ({
      at: new Date(Number(row.at)),
      address: row.address,
      forwardedFor: row.forwarded_for,
      agent: row.agent,
    }));
  }

  /** The CRM's id of the conversation, once it was delivered; and whether it may still come to that. */
  async registrationOf(
    crm: string,
    source: string,
    uniqueId: string,
  ): Promise<{ readonly state: string; readonly crmId: string | null } | null> {
    const row: { state: string; crm_id: string | null } | undefined = await this.#db('deliveries')
      .where({ crm, source, unique_id: uniqueId, kind: 'conversation' })
      .first('state', 'crm_id');
    return row === undefined ? null : { state: row.state, crmId: row.crm_id };
  }

  /** Owes links of recordings that were whole before their conversation was owed. */
  async oweForgotten(since: Date, crms: readonly string[]): Promise<boolean> {
    if (crms.length === 0) return false;
    const rows = await this.#db<RecordingRow>('recordings as r')
      .where('r.ready_at', '>=', since.getTime())
      .whereIn('r.state', ['ready', 'original'])
      .whereExists((owed) => {
        void owed
          .from('deliveries as c')
          .select(this.#db.raw('1'))
          .whereRaw('c.source = r.source and c.unique_id = r.unique_id')
          .where('c.kind', 'conversation')
          .whereIn('c.crm', crms)
          .whereNotExists((known) => {
            void known
              .from('deliveries as d')
              .select(this.#db.raw('1'))
              .whereRaw('d.source = c.source and d.unique_id = c.unique_id and d.crm = c.crm')
              .where('d.kind', 'recording');
          });
      })
      .limit(500)
      .select('r.*');
    const now = this.#now().getTime();
    for (const row of rows) {
      await this.#db.transaction((trx) => owe(trx, { recording: toRecording(row as RecordingRow), crms, now }));
    }
    return rows.length > 0;
  }

  /** Offers links again that a CRM could not be given because it had refused the conversation, which it has by now. */
  async reviveSkipped(): Promise<number> {
    return this.#db('deliveries')
      .where({ kind: 'recording', state: 'skipped', last_error: notRegistered })
      .whereExists((registered) => {
        void registered
          .from('deliveries as c')
          .select(this.#db.raw('1'))
          .whereRaw('c.source = deliveries.source and c.unique_id = deliveries.unique_id and c.crm = deliveries.crm')
          .where({ 'c.kind': 'conversation', 'c.state': 'delivered' });
      })
      .update({ state: 'pending', due_at: this.#now().getTime() });
  }
}

/** Why a link was not given to a CRM, in the delivery's own words. */
export const notRegistered = 'the conversation is not in the CRM';
