import type { Clock, Log, PartStatus } from '../../core/ports.ts';
import { AmiLink, type AmiAddress, type AmiLinkDeadlines } from './ami/ami-link.ts';
import type { BackoffSettings } from './ami/backoff.ts';
import type { DeviceStates } from './ami/device-states.ts';
import { keepConnected } from './ami/keep-connected.ts';
import { deviceEventFilter, deviceEventClass } from './translate.ts';

export interface PresenceSessionSettings {
  readonly address: AmiAddress;
  readonly deadlines: AmiLinkDeadlines;
  readonly backoff: BackoffSettings;
  /** Wait between logins after a refused one. */
  readonly refusedRetryMs: number;
}

export interface PresenceSessionParts {
  /** The configured name of the phone system. */
  readonly source: string;
  /** Is told all that the phones do; nobody else may tell it anything. */
  readonly devices: DeviceStates;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * What phones do, for a node that does not follow the calls: a session that listens to the states of devices and to nothing
 * else. Asterisk keeps the other events back where the user may set filters (`write = system`) or `eventfilter` in
 * manager.conf says so; elsewhere those of calls come along and are dropped here.
 */
export class PresenceSession {
  readonly #settings: PresenceSessionSettings;
  readonly #parts: PresenceSessionParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isConnected = false;
  #since: Date;
  #reason = '';

  constructor(settings: PresenceSessionSettings, parts: PresenceSessionParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#since = parts.clock.now();
  }

  /** Returns at once; the PBX may be down. */
  start(): void {
    const { backoff, refusedRetryMs } = this.#settings;
    this.#running = keepConnected(this.#stopping.signal, {
      backoff,
      refusedRetryMs,
      hold: (signal) => this.#listen(signal),
      onEnd: (_end, reason) => this.#setState(false, reason),
      onWait: (reason, retryInMs) =>
        this.#parts.log.warn({ reason, retryInMs }, 'The AMI session for the states of phones is not connected'),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** What the devices say is worth something. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  status(): PartStatus {
    const { host, port, username } = this.#settings.address;
    const where = `${username}@${host}:${port}`;
    const part = `${this.#parts.source}: states of phones`;
    if (this.#isConnected) return { part, health: 'ok', message: `Connected to ${where}`, since: this.#since };
    const message =
      this.#reason === ''
        ? `Connecting to ${where}`
        : `No connection to ${where}: ${this.#reason}. Calls are distributed without knowing which phones are busy.`;
    return { part, health: 'warning', message, since: this.#since };
  }

  /** One connection, from login to its end; resolves with why it ended. */
  async #listen(signal: AbortSignal): Promise<string> {
    const { address, deadlines } = this.#settings;
    const { devices } = this.#parts;
    const link = await AmiLink.open({
      address,
      deadlines,
      eventMask: deviceEventClass,
      signal,
      onMessage: (message) => devices.observe(message),
    });
    try {
      // Refused without `write = system`: then more is sent than is needed.
      await link.request([
        ['Action', 'Filter'],
        ['Operation', 'Add'],
        ['Filter', deviceEventFilter],
      ]);
      await devices.resync((headers) => link.request(headers));
      this.#setState(true, '');
    } catch (error) {
      link.close((error as Error).message);
    }
    return link.closed;
  }

  #setState(isConnected: boolean, reason: string): void {
    if (isConnected !== this.#isConnected) this.#since = this.#parts.clock.now();
    this.#isConnected = isConnected;
    this.#reason = reason;
  }
}
