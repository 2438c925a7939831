import { randomBytes } from 'node:crypto';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import AmiClient, { type AmiConnection } from 'asterisk-ami-client';
import { Rejected, Retryable } from '../../core/errors.ts';
import type { Clock, Log, OriginateRequest, PartStatus } from '../../core/ports.ts';
import { LoginRefused, type AmiAddress, type AmiLinkDeadlines, type AmiReply } from './ami/ami-link.ts';
import { encodeAction, type AmiHeader, type AmiMessage } from './ami/ami-message.ts';
import { AmiParser } from './ami/ami-parser.ts';
import type { BackoffSettings } from './ami/backoff.ts';
import { keepConnected } from './ami/keep-connected.ts';
import { originateAction } from './ami/originate.ts';

export interface ControlSessionSettings {
  readonly address: AmiAddress;
  readonly deadlines: AmiLinkDeadlines;
  readonly backoff: BackoffSettings;
  readonly refusedRetryMs: number;
}

export interface ControlSessionParts {
  /** The configured name of the phone system. */
  readonly source: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface CoreStatus {
  /** E.g. `22.10.1`. */
  readonly version: string;
  readonly systemName: string;
  /** As Asterisk writes them, in its own zone. */
  readonly startedAt: string;
  readonly reloadedAt: string;
  readonly currentCalls: number;
}

interface PendingAction {
  response: AmiMessage | null;
  readonly items: AmiMessage[];
  readonly resolve: (reply: AmiReply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** Answers may be as long as the whole dialplan. */
const maxAnswerBytes = 64 * 1024 * 1024;

/**
 * Commands one Asterisk: click-to-call, reload, database, status. The only file that knows asterisk-ami-client, which connects, logs in and
 * cuts the stream into messages; what the package does wrong or not at all is done here: headers are checked before they are sent and
 * every value of a repeated one is kept, action ids are unique, connecting, login and every action have deadlines, a dead
 * connection is noticed and made again for ever, and nothing is left unsettled.
 *
 * All methods reject with `Rejected` (Asterisk said no, or the request must not be sent) or `Retryable` (no connection, no
 * answer in time).
 */
export class ControlSession {
  readonly #settings: ControlSessionSettings;
  readonly #parts: ControlSessionParts;
  readonly #stopping = new AbortController();
  readonly #pending = new Map<string, PendingAction>();
  /** Those who wait for the connection. */
  readonly #waiters = new Set<() => void>();
  /** Differs from every other session's, also those of a former run. */
  readonly #idPrefix = `rl-${randomBytes(4).toString('hex')}-`;
  #lastId = 0;
  #connection: AmiConnection | null = null;
  #bytesSincePing = 0;
  #running: Promise<void> = Promise.resolve();

  #state: 'connecting' | 'connected' | 'refused' | 'lost' = 'connecting';
  #stateSince: Date;
  #reason = '';

  constructor(settings: ControlSessionSettings, parts: ControlSessionParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#stateSince = parts.clock.now();
  }

  /** Null: there is no connection now. */
  get connectedSince(): Date | null {
    return this.#state === 'connected' ? this.#stateSince : null;
  }

  /** Returns at once; the PBX may be down. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  status(): PartStatus {
    const { host, port, username } = this.#settings.address;
    const where = `${username}@${host}:${port}`;
    const part = `${this.#parts.source}: AMI control`;
    const details = { since: this.#stateSince, pending: this.#pending.size };
    switch (this.#state) {
      case 'connected':
        return { part, health: 'ok', message: `Connected to ${where}`, ...details };
      case 'connecting':
        return { part, health: 'warning', message: `Connecting to ${where}`, ...details };
      case 'refused':
        return {
          part,
          health: 'error',
          message: `${this.#reason}. Set the user and secret as in manager.conf, and permit this host there; it is tried again.`,
          ...details,
        };
      case 'lost':
        return {
          part,
          health: 'error',
          message: `No connection to ${where}: ${this.#reason}. Click-to-call and the dialplan wait for it.`,
          ...details,
        };
    }
  }

  /**
   * Sends an action and resolves with its answer, of a list with all of it. An answer that says Error rejects with `Rejected` and
   * Asterisk's own words. Waits for a connection that is being made, within the same deadline.
   */
  async action(
    headers: readonly AmiHeader[],
    timeoutMs: number = this.#settings.deadlines.requestMs,
  ): Promise<AmiReply> {
    const reply = await this.#send(headers, timeoutMs);
    if (reply.response.get('Response') === 'Error') throw refusalOf(headers, reply.response);
    return reply;
  }

  /** What `asterisk -rx TEXT` prints, line by line, also when the command fails. */
  async command(text: string, timeoutMs?: number): Promise<string[]> {
    const headers: AmiHeader[] = [
      ['Action', 'Command'],
      ['Command', text],
    ];
    const { response } = await this.#send(headers, timeoutMs ?? this.#settings.deadlines.requestMs);
    if (response.get('Response') === 'Error' && !response.has('Output')) throw refusalOf(headers, response);
    return response.all('Output');
  }

  /** Rings the employee's extension and, once it answers, the client. Resolves when Asterisk took the request. */
  async originate(request: OriginateRequest): Promise<void> {
    await this.action(originateAction(request));
  }

  /** `dialplan reload`; resolves when Asterisk has done it. */
  async reloadDialplan(): Promise<void> {
    const output = await this.command('dialplan reload', 60_000);
    if (!output.some((line) => line.includes('Dialplan reloaded')))
      throw new Rejected(`Asterisk did not reload the dialplan: ${output.join(' ')}`);
  }

  /** The text of `dialplan show CONTEXT`, also when there is no such context. */
  async showDialplan(context: string): Promise<string> {
    if (!contextName.test(context)) throw new Rejected(`Not the name of a context: ${JSON.stringify(context)}`);
    return (await this.command(`dialplan show ${context}`)).join('\n');
  }

  async coreStatus(): Promise<CoreStatus> {
    const { response: settings } = await this.action([['Action', 'CoreSettings']]);
    const { response: status } = await this.action([['Action', 'CoreStatus']]);
    return {
      version: settings.get('AsteriskVersion'),
      systemName: settings.get('SystemName'),
      startedAt: `${status.get('CoreStartupDate')} ${status.get('CoreStartupTime')}`,
      reloadedAt: `${status.get('CoreReloadDate')} ${status.get('CoreReloadTime')}`,
      currentCalls: Number(status.get('CoreCurrentCalls')),
    };
  }

  /** A variable or function outside of any channel, e.g. `STRFTIME(,,%s %z)`. */
  async variable(expression: string): Promise<string> {
    const { response } = await this.action([
      ['Action', 'Getvar'],
      ['Variable', expression],
    ]);
    return response.get('Value');
  }

  /** A value of Asterisk's own database; null when there is none. */
  async databaseGet(family: string, key: string): Promise<string | null> {
    try {
      const { items } = await this.action([
        ['Action', 'DBGet'],
        ['Family', family],
        ['Key', key],
      ]);
      return items[0]?.get('Val') ?? null;
    } catch (error) {
      if (error instanceof Rejected && error.message.includes('not found')) return null;
      throw error;
    }
  }
  async databasePut(family: string, key: string, value: string): Promise<void> {
    await this.action([
      ['Action', 'DBPut'],
      ['Family', family],
      ['Key', key],
      ['Val', value],
    ]);
  }
  /** Resolves also when there was no such key. */
  async databaseDelete(family: string, key: string): Promise<void> {
    try {
      await this.action([
        ['Action', 'DBDel'],
        ['Family', family],
        ['Key', key],
      ]);
    } catch (error) {
      if (!(error instanceof Rejected && error.message.includes('not found'))) throw error;
    }
  }

  /** The channels that exist now, as `CoreShowChannel` events. */
  async listChannels(): Promise<readonly AmiMessage[]> {
    return (await this.action([['Action', 'CoreShowChannels']])).items;
  }

  async #send(headers: readonly AmiHeader[], timeoutMs: number): Promise<AmiReply> {
    const actionId = this.#idPrefix + ++this.#lastId;
    // Checked before anything waits: what must not be sent is refused at once.
    const text = encodeAction([...headers, ['ActionID', actionId]]);
    const deadline = performance.now() + timeoutMs;
    const connection = this.#connection ?? (await this.#waitForConnection(timeoutMs));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.#pending.delete(actionId);
          reject(new Retryable(`Asterisk did not answer ${headers[0]![1]} within ${timeoutMs} ms`));
        },
        Math.max(0, deadline - performance.now()),
      );
      this.#pending.set(actionId, { response: null, items: [], resolve, reject, timer });
      connection.write(text);
    });
  }

  #waitForConnection(timeoutMs: number): Promise<AmiConnection> {
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiters.delete(finish);
        if (this.#connection !== null) resolve(this.#connection);
        else reject(new Retryable(`There is no connection to Asterisk: ${this.#reason || 'it is being made'}`));
      };
      const timer = setTimeout(finish, timeoutMs);
      // While the first attempt is under way there is something to wait for; later a person should hear at once.
      if (this.#state === 'connecting' && !this.#stopping.signal.aborted) this.#waiters.add(finish);
      else finish();
    });
  }
  #wakeWaiters(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  #run(): Promise<void> {
    const { backoff, refusedRetryMs } = this.#settings;
    return keepConnected(this.#stopping.signal, {
      backoff,
      refusedRetryMs,
      hold: (signal) => this.#hold(signal),
      onEnd: (end, reason) => {
        this.#setState(end, reason);
        this.#wakeWaiters();
      },
      onWait: (reason, retryInMs) =>
        this.#parts.log.warn({ reason, retryInMs }, 'The AMI control session is not connected'),
    });
  }

  /** One connection, from its making to its end; resolves with why it ended. */
  async #hold(signal: AbortSignal): Promise<string> {
    const ending = new AbortController();
    let reason = 'Asterisk closed the connection';
    const end = (why: string) => {
      if (ending.signal.aborted) return;
      reason = why;
      ending.abort();
    };
    const stop = () => end('stopped');
    signal.addEventListener('abort', stop, { once: true });
    const closed = new Promise<void>((resolve) =>
      ending.signal.addEventListener('abort', () => resolve(), { once: true }),
    );
    try {
      const client = new AmiClient({
        reconnect: false,
        keepAlive: false,
        emitEventsByTypes: false,
        emitResponsesById: false,
      });
      // Listeners first: an error without one ends the process.
      client.on('internalError', (error: Error) => end(error.message));
      client.on('disconnect', () => end('Asterisk closed the connection'));
      const connection = await this.#connect(client, ending);
      const parser = new AmiParser({ maxMessageBytes: maxAnswerBytes });
      const messages: AmiMessage[] = [];
      // The package's own reading of a message keeps only the last of a repeated header: its text is read again.
      connection.on('data', (chunk: Buffer) => {
        this.#bytesSincePing += chunk.length;
        parser.push(chunk, messages);
        for (const message of messages.splice(0)) this.#settle(message);
      });
      this.#connection = connection;
      await this.#send(
        [
          ['Action', 'Events'],
          ['EventMask', 'off'],
        ],
        this.#settings.deadlines.loginMs,
      );
      this.#setState('connected', '');
      this.#parts.log.info({ host: this.#settings.address.host }, 'The AMI control session is connected');
      this.#wakeWaiters();
      void this.#keepAlive(ending.signal, end);
      await closed;
    } catch (error) {
      end((error as Error).message);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      ending.abort();
      this.#connection = null;
      this.#rejectPending(reason);
    }
    return reason;
  }

  async #connect(client: AmiClient, ending: AbortController): Promise<AmiConnection> {
    const { address, deadlines } = this.#settings;
    const { username, secret, host, port } = address;
    // The package writes both as they are.
    encodeAction([
      ['Action', 'Login'],
      ['Username', username],
      ['Secret', secret],
    ]);
    const timeoutMs = deadlines.connectMs + deadlines.loginMs;
    const timer = setTimeout(() => ending.abort(), timeoutMs);
    try {
      // The package gives no way to end a connection that is not logged in; the socket's own signal does.
      return await client.connect(username, secret, { host, port, signal: ending.signal });
    } catch (error) {
      if (ending.signal.aborted && !this.#stopping.signal.aborted)
        throw new Retryable(`Asterisk did not answer the login within ${timeoutMs} ms`);
      const message = error instanceof Error ? error.message : 'Asterisk closed the connection';
      if (message.startsWith('AMI message:'))
        throw new LoginRefused(
          `Asterisk refused the login of ${username}: ${message.slice('AMI message:'.length).trim()}`,
        );
      throw new Retryable(message, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks now and then whether the other side lives; ends the connection when it stays silent. */
  async #keepAlive(ended: AbortSignal, end: (why: string) => void): Promise<void> {
    const { pingEveryMs, pingMs } = this.#settings.deadlines;
    try {
      for (;;) {
        await delay(pingEveryMs, undefined, { signal: ended });
        this.#bytesSincePing = 0;
        this.#send([['Action', 'Ping']], pingMs).catch(() => {});
        await delay(pingMs, undefined, { signal: ended });
        // What arrived while this process was busy is read before the verdict.
        await setImmediate();
        if (this.#bytesSincePing === 0) return end(`no answer to a ping within ${pingMs} ms`);
      }
    } catch {
      // The connection ended by itself.
    }
  }

  #settle(message: AmiMessage): void {
    const actionId = message.get('ActionID');
    const pending = this.#pending.get(actionId);
    if (pending === undefined) return;
    const list = message.get('EventList').toLowerCase();
    if (message.event === '') {
      pending.response = message;
      if (list === 'start') return;
    } else if (list !== 'complete') {
      pending.items.push(message);
      return;
    }
    clearTimeout(pending.timer);
    this.#pending.delete(actionId);
    pending.resolve({ response: pending.response ?? message, items: pending.items });
  }

  #rejectPending(reason: string): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new Retryable(`The AMI connection was lost: ${reason}`));
    }
    this.#pending.clear();
  }

  #setState(state: 'connecting' | 'connected' | 'refused' | 'lost', reason: string): void {
    if (state !== this.#state) this.#stateSince = this.#parts.clock.now();
    this.#state = state;
    this.#reason = reason;
  }
}

const contextName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,78}$/;

function refusalOf(headers: readonly AmiHeader[], response: AmiMessage): Rejected {
  const said = response.get('Message') || 'Error';
  return new Rejected(`Asterisk refused ${headers[0]![1]}: ${said}${adviceOn(said)}`, {
    details: Object.fromEntries(response.entries()),
  });
}

function adviceOn(said: string): string {
  if (said === 'Permission denied') return ': give the control user the rights for it in manager.conf (write =)';
  // The only thing that is asked for with an extension is a call by a click.
  if (said.startsWith('Extension does not exist'))
    return ' The context that dials the client is not there, or has no pattern for this number: ringledger dialplan apply writes ours.';
  return '';
}
