import { setTimeout as delay } from 'node:timers/promises';
import type { PbxEvent } from '../../core/pbx-event.ts';
import type { Clock, Log, PartStatus, PbxEventSink } from '../../core/ports.ts';
import { AmiLink, type AmiAddress, type AmiLinkDeadlines, type AmiReply } from './ami/ami-link.ts';
import type { AmiHeader, AmiMessage } from './ami/ami-message.ts';
import type { BackoffSettings } from './ami/backoff.ts';
import { keepConnected } from './ami/keep-connected.ts';
import type { LocalTime } from './csv/local-time.ts';
import { AmiTranslator, eventClasses, eventFilters } from './translate.ts';

export interface EventSessionSettings {
  readonly address: AmiAddress;
  readonly deadlines: AmiLinkDeadlines;
  readonly backoff: BackoffSettings;
  /** Wait between logins after a refused one; the secret may be put right at any time. */
  readonly refusedRetryMs: number;
  /** Events that may wait for the sink before reading stops. */
  readonly maxWaiting: number;
}

export const defaultEventSessionSettings: Omit<EventSessionSettings, 'address' | 'deadlines' | 'backoff'> = {
  refusedRetryMs: 30_000,
  maxWaiting: 50_000,
};

export interface EventSessionParts {
  /** The configured name of the phone system. */
  readonly source: string;
  readonly sink: PbxEventSink;
  readonly clock: Clock;
  readonly log: Log;
  /** Zone of the PBX. */
  readonly time: LocalTime;
  /** Sees every message; for device states. */
  readonly onMessage?: (message: AmiMessage) => void;
  /** Asked after the channels, on each new connection. */
  readonly onConnected?: (request: (headers: readonly AmiHeader[]) => Promise<AmiReply>) => Promise<void>;
  /**
   * Lists the channels (`CoreShowChannel` events) over another session, where this session's user may not. Null: there is none.
   */
  readonly listChannels: (() => Promise<readonly AmiMessage[]>) | null;
}

type SessionState = 'connecting' | 'connected' | 'refused' | 'lost';

/** Most events given to the sink at once. */
const maxBatch = 2_000;

type Waiting =
  | { readonly event: PbxEvent }
  | { readonly snapshotAt: number; readonly uniqueIds: ReadonlySet<string>; readonly lastHeardAt: number | null };

/**
 * Follows the calls of one Asterisk over AMI, for as long as it runs: connects, logs in as a user that may only read,
 * tells the sink what exists now, then everything that happens; notices a dead connection and begins again, for ever. Events
 * reach the sink in order, one batch at a time; when the sink is slow they wait here, and past a limit in the socket.
 */
export class EventSession {
  readonly #settings: EventSessionSettings;
  readonly #parts: EventSessionParts;
  readonly #translator: AmiTranslator;
  readonly #stopping = new AbortController();
  readonly #waiting: Waiting[] = [];
  readonly #translated: PbxEvent[] = [];
  #link: AmiLink | null = null;
  #running: Promise<void> = Promise.resolve();
  #flushing: Promise<void> | null = null;
  #isPaused = false;
  /** Channels that began since the login; alive in any snapshot of this connection. */
  #startedSinceLogin = new Set<string>();

  #state: SessionState = 'connecting';
  #stateSince: Date;
  #reason = '';
  #listingFault: string | null = null;
  #sinkFault: string | null = null;
  #eventCount = 0;
  #connectionCount = 0;
  #lastMessageAt: Date | null = null;
  /** When the connection before this one was last known to live; of an earlier run nobody knows. */
  #lastHeardAt: number | null = null;

  constructor(settings: EventSessionSettings, parts: EventSessionParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#stateSince = parts.clock.now();
    this.#translator = new AmiTranslator({
      source: parts.source,
      now: () => parts.clock.now().getTime(),
      time: parts.time,
    });
  }

  /** Returns at once; the PBX may be down. */
  start(): void {
    this.#running = this.#run();
  }

  /** Closes the connection and gives what was read to the sink; events that the sink refuses then are left to CEL and CDR. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#flushing;
  }

  get isConnected(): boolean {
    return this.#state === 'connected';
  }

  status(): PartStatus {
    const { host, port, username } = this.#settings.address;
    const where = `${username}@${host}:${port}`;
    const details = {
      since: this.#stateSince,
      events: this.#eventCount,
      connections: this.#connectionCount,
      waiting: this.#waiting.length,
      lastMessageAt: this.#lastMessageAt,
    };
    const part = `${this.#parts.source}: AMI events`;
    if (this.#state === 'refused')
      return {
        part,
        health: 'error',
        message: `${this.#reason}. Set the user and secret as in manager.conf, and permit this host there; it is tried again.`,
        ...details,
      };
    if (this.#state !== 'connected')
      return {
        part,
        health: this.#state === 'lost' || this.#reason !== '' ? 'error' : 'warning',
        message:
          this.#reason === ''
            ? `Connecting to ${where}`
            : `No connection to ${where}: ${this.#reason}. Calls are taken from CEL and CDR later.`,
        ...details,
      };
    if (this.#sinkFault !== null)
      return { part, health: 'error', message: `Events cannot be stored and wait: ${this.#sinkFault}`, ...details };
    if (this.#listingFault !== null)
      return {
        part,
        health: 'warning',
        message: `Connected to ${where}, but the channels cannot be listed (${this.#listingFault}): give the user write = reporting in manager.conf`,
        ...details,
      };
    if (this.#isPaused)
      return {
        part,
        health: 'warning',
        message: 'Events come faster than they can be stored; reading waits',
        ...details,
      };
    return { part, health: 'ok', message: `Connected to ${where}`, ...details };
  }

  #run(): Promise<void> {
    const { backoff, refusedRetryMs } = this.#settings;
    return keepConnected(this.#stopping.signal, {
      backoff,
      refusedRetryMs,
      hold: (signal) => this.#follow(signal),
      onEnd: (end, reason) => this.#setState(end, reason),
      onWait: (reason, retryInMs) =>
        this.#parts.log.warn({ reason, retryInMs }, 'The AMI event session is not connected'),
    });
  }

  /** One connection, from login to its end; resolves with why it ended. */
  async #follow(signal: AbortSignal): Promise<string> {
    const { address, deadlines } = this.#settings;
    this.#startedSinceLogin = new Set();
    const link = await AmiLink.open({
      address,
      deadlines,
      eventMask: eventClasses,
      signal,
      onMessage: (message) => this.#receive(message),
    });
    this.#link = link;
    if (this.#isPaused) link.pause();
    this.#connectionCount++;
    this.#setState('connected', '');
    this.#parts.log.info({ host: address.host, port: address.port }, 'The AMI event session is connected');
    try {
      await this.#prepare(link);
    } catch (error) {
      // The link closed meanwhile, or did not answer in time: begin again.
      link.close((error as Error).message);
    }
    const reason = await link.closed;
    const heardAt = link.isClosedByAsterisk ? this.#parts.clock.now() : this.#lastMessageAt;
    this.#lastHeardAt = heardAt?.getTime() ?? null;
    this.#link = null;
    return reason;
  }

  async #prepare(link: AmiLink): Promise<void> {
    for (const filter of eventFilters) {
      const { response } = await link.request([
        ['Action', 'Filter'],
        ['Operation', 'Add'],
        ['Filter', filter],
      ]);
      // Only users with `write = system` may; others get more events than they need.
      if (response.get('Response') !== 'Success') break;
    }
    await link.request([['Action', 'BridgeList']]);
    const { response } = await link.request([['Action', 'CoreShowChannels']]);
    if (response.get('Response') === 'Success') {
      this.#listingFault = null;
      this.#finishSnapshot();
    } else {
      await this.#listElsewhere(response.get('Message'));
    }
    await this.#parts.onConnected?.((headers) => link.request(headers));
  }

  async #listElsewhere(refusal: string): Promise<void> {
    try {
      if (this.#parts.listChannels === null) throw new Error(refusal);
      const channels = await this.#parts.listChannels();
      for (const channel of channels) this.#receive(channel);
      this.#listingFault = null;
      this.#finishSnapshot();
    } catch (error) {
      // Calls that ended meanwhile are then closed by CEL and CDR only.
      this.#listingFault = (error as Error).message;
      this.#parts.log.warn({ reason: this.#listingFault }, 'The channels of the PBX cannot be listed');
    }
  }

  #finishSnapshot(): void {
    this.#waiting.push({
      snapshotAt: this.#parts.clock.now().getTime(),
      uniqueIds: new Set(this.#startedSinceLogin),
      lastHeardAt: this.#lastHeardAt,
    });
    this.#flush();
  }

  #receive(message: AmiMessage): void {
    this.#lastMessageAt = this.#parts.clock.now();
    this.#parts.onMessage?.(message);
    this.#translator.translate(message, this.#translated);
    if (this.#translated.length === 0) return;
    for (const event of this.#translated.splice(0)) {
      this.#eventCount++;
      if (event.type === 'started' && event.uniqueId !== null) this.#startedSinceLogin.add(event.uniqueId);
      // A year of calls must not be remembered; a channel that hung up is no news to a snapshot.
      else if (event.type === 'hung-up' && event.uniqueId !== null) this.#startedSinceLogin.delete(event.uniqueId);
      this.#waiting.push({ event });
    }
    if (!this.#isPaused && this.#waiting.length >= this.#settings.maxWaiting) {
      this.#isPaused = true;
      this.#link?.pause();
    }
    this.#flush();
  }

  #flush(): void {
    this.#flushing ??= this.#drain().finally(() => {
      this.#flushing = null;
    });
  }

  /** Gives everything that waits to the sink; what comes meanwhile too. */
  async #drain(): Promise<void> {
    // Events of one read belong into one batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!;
      let taken = 1;
      try {
        if ('event' in first) {
          const batch: PbxEvent[] = [];
          for (const item of this.#waiting) {
            if (!('event' in item) || batch.length === maxBatch) break;
            batch.push(item.event);
          }
          taken = batch.length;
          await this.#parts.sink.accept(batch);
        } else {
          await this.#parts.sink.resynced({
            source: this.#parts.source,
            at: first.snapshotAt,
            uniqueIds: first.uniqueIds,
            lastHeardAt: first.lastHeardAt,
          });
        }
      } catch (error) {
        this.#sinkFault = (error as Error).message;
        this.#parts.log.error({ error: this.#sinkFault }, 'Call events could not be stored; they are tried again');
        if (this.#stopping.signal.aborted) return;
        await delay(this.#settings.backoff.firstMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
        continue;
      }
      this.#sinkFault = null;
      this.#waiting.splice(0, taken);
      if (this.#isPaused && this.#waiting.length < this.#settings.maxWaiting / 2) {
        this.#isPaused = false;
        this.#link?.resume();
      }
    }
  }

  #setState(state: SessionState, reason: string): void {
    if (state !== this.#state) this.#stateSince = this.#parts.clock.now();
    this.#state = state;
    this.#reason = reason;
  }
}
