import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { Rejected, Retryable } from '../../../core/errors.ts';
import { encodeAction, type AmiHeader, type AmiMessage } from './ami-message.ts';
import { AmiParser } from './ami-parser.ts';

export interface AmiAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly secret: string;
}

export interface AmiLinkDeadlines {
  readonly connectMs: number;
  readonly loginMs: number;
  /** How often to ask whether the other side is still there, and how long it may stay silent after that. */
  readonly pingEveryMs: number;
  readonly pingMs: number;
  readonly requestMs: number;
}

/** A half-open connection is noticed within 10 + 5 seconds. */
export const defaultLinkDeadlines: AmiLinkDeadlines = {
  connectMs: 5_000,
  loginMs: 5_000,
  pingEveryMs: 9_000,
  pingMs: 5_000,
  requestMs: 30_000,
};

/** Asterisk answered the login with an error: wrong name or secret, an ACL, or a second login that is not allowed. */
export class LoginRefused extends Rejected {}

export interface AmiReply {
  readonly response: AmiMessage;
  /** The events that make up a list, without the one that ends it. */
  readonly items: readonly AmiMessage[];
}

export interface AmiLinkOptions {
  readonly address: AmiAddress;
  /** Classes of events to be sent, e.g. `call,dialplan`; `off` for none. */
  readonly eventMask: string;
  readonly deadlines: AmiLinkDeadlines;
  /** Every message after the login's answer, in order, also those that answer requests. */
  readonly onMessage: (message: AmiMessage) => void;
  /** The raw bytes, before they are parsed. */
  readonly onBytes?: (bytes: Buffer) => void;
  /** Closes the link, also while it is being opened. */
  readonly signal: AbortSignal;
}

interface PendingRequest {
  response: AmiMessage | null;
  readonly items: AmiMessage[];
  readonly resolve: (reply: AmiReply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One logged-in AMI connection of our own: reads the stream as it comes, asks now and then whether the other side is
 * alive, and settles every request when it closes.
 */
export class AmiLink {
  readonly #options: AmiLinkOptions;
  readonly #socket: Socket;
  readonly #parser = new AmiParser();
  readonly #messages: AmiMessage[] = [];
  readonly #requests = new Map<string, PendingRequest>();
  #endWith!: (reason: string) => void;
  readonly #end = new Promise<string>((resolve) => {
    this.#endWith = resolve;
  });
  #isClosed = false;
  #isClosedByAsterisk = false;
  #isLoggedIn = false;
  #lastActionId = 0;
  #pingTimer: NodeJS.Timeout | undefined;
  #bytesSincePing = 0;

  /**
   * Connects and logs in. Rejects with `LoginRefused` when Asterisk says no, with `Retryable` for everything that may pass: nobody
   * listens, no greeting or answer in time, closed meanwhile.
   */
  static async open(options: AmiLinkOptions): Promise<AmiLink> {
    const link = new AmiLink(options);
    try {
      await link.#login();
      return link;
    } catch (error) {
      link.close('the login failed');
      throw error;
    }
  }

  private constructor(options: AmiLinkOptions) {
    this.#options = options;
    const { host, port } = options.address;
    this.#socket = connect({ host, port, noDelay: true, keepAlive: true });
    this.#socket
      .on('data', (bytes) => this.#read(bytes))
      .on('error', (error: NodeJS.ErrnoException) => {
        this.#noteGoing(error.code === 'ECONNRESET');
        this.close(error.message);
      })
      .on('close', () => {
        this.#noteGoing(true);
        this.close('Asterisk closed the connection');
      });
    if (options.signal.aborted) this.close('stopped');
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }
  readonly #onAbort = () => this.close('stopped');

  #noteGoing(isByAsterisk: boolean): void {
    if (!this.#isClosed) this.#isClosedByAsterisk = isByAsterisk;
  }
  /** True when the other side ended the connection: until that moment it was there. */
  get isClosedByAsterisk(): boolean {
    return this.#isClosedByAsterisk;
  }

  /** Resolves, when the link has closed, with why. */
  get closed(): Promise<string> {
    return this.#end;
  }

  /**
   * Sends an action; resolves with its answer, of a list with all of it. Does not look whether the answer is an error.
   * Rejects with `Retryable` when the link closes or the deadline passes first, with `Rejected` for what must not be sent.
   */
  request(headers: readonly AmiHeader[], timeoutMs: number = this.#options.deadlines.requestMs): Promise<AmiReply> {
    const actionId = `ringledger-${++this.#lastActionId}`;
    const action = headers[0]?.[1] ?? '';
    return new Promise((resolve, reject) => {
      const text = encodeAction([...headers, ['ActionID', actionId]]);
      if (this.#isClosed) throw new Retryable('The AMI connection is closed');
      const timer = setTimeout(() => {
        this.#requests.delete(actionId);
        reject(new Retryable(`Asterisk did not answer ${action} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#requests.set(actionId, { response: null, items: [], resolve, reject, timer });
      this.#socket.write(text);
    });
  }

  /** Stops reading: Asterisk keeps what it cannot send for its `writetimeout` and in the socket's buffers. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#pingTimer);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#socket.destroy();
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(new Retryable(this.#isLoggedIn ? `The AMI connection was lost: ${reason}` : reason));
    }
    this.#requests.clear();
    this.#endWith(reason);
  }

  async #login(): Promise<void> {
    const { address, deadlines, eventMask } = this.#options;
    const connectTimer = setTimeout(
      () => this.close(`no connection within ${deadlines.connectMs} ms`),
      deadlines.connectMs,
    );
    this.#socket.once('connect', () => clearTimeout(connectTimer));
    let reply: AmiReply;
    try {
      reply = await this.request(
        [
          ['Action', 'Login'],
          ['Username', address.username],
          ['Secret', address.secret],
          ['Events', eventMask],
        ],
        deadlines.connectMs + deadlines.loginMs,
      );
    } finally {
      clearTimeout(connectTimer);
    }
    if (reply.response.get('Response') !== 'Success')
      throw new LoginRefused(`Asterisk refused the login of ${address.username}: ${reply.response.get('Message')}`);
    this.#schedulePing();
  }

  #read(bytes: Buffer): void {
    this.#bytesSincePing += bytes.length;
    this.#options.onBytes?.(bytes);
    this.#parser.push(bytes, this.#messages);
    // Taken out first: a handler that closes the link must not see them again.
    for (const message of this.#messages.splice(0)) this.#handle(message);
  }

  #handle(message: AmiMessage): void {
    // Lists mark their events with the action; ordinary events carry an ActionID only for originates.
    const actionId = this.#requests.size > 0 ? message.get('ActionID') : '';
    const isOwn = actionId !== '' && this.#requests.has(actionId);
    // Before the requester hears of the end of its list, its items have passed.
    if (this.#isLoggedIn) this.#options.onMessage(message);
    if (isOwn) this.#answer(actionId, message);
  }

  #answer(actionId: string, message: AmiMessage): void {
    const request = this.#requests.get(actionId);
    if (request === undefined) return;
    const list = message.get('EventList').toLowerCase();
    if (message.event === '') {
      request.response = message;
      if (list === 'start') return;
    } else if (list !== 'complete') {
      request.items.push(message);
      return;
    }
    clearTimeout(request.timer);
    this.#requests.delete(actionId);
    this.#isLoggedIn = true;
    request.resolve({ response: request.response ?? message, items: request.items });
  }

  #schedulePing(): void {
    const { pingEveryMs, pingMs } = this.#options.deadlines;
    this.#pingTimer = setTimeout(() => {
      this.#bytesSincePing = 0;
      // The answer is not looked at: any byte shows that the other side lives, and behind many events it may come late.
      this.request([['Action', 'Ping']], pingMs + pingEveryMs).catch(() => {});
      this.#pingTimer = setTimeout(() => void this.#judge(), pingMs);
    }, pingEveryMs);
  }

  async #judge(): Promise<void> {
    // What arrived while this process was busy is read before the verdict.
    await setImmediate();
    if (this.#isClosed) return;
    if (this.#bytesSincePing > 0 || this.#socket.isPaused()) this.#schedulePing();
    else this.close(`no answer to a ping within ${this.#options.deadlines.pingMs} ms`);
  }
}
