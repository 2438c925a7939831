import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Log, PartStatus } from '../src/core/ports.ts';
import { createAllowList, isLoopback } from './allow-list.ts';
import type { AgiServerConfig } from './config.ts';
import type { AgiHandler } from './routes.ts';
import { AgiSession, SessionEnded } from './session.ts';
import { answerVariables } from './variables.ts';

/** How exactly deadlines are kept. One look at the oldest sessions this often costs less than a timer for each. */
const sweepMs = 50;
/** The same complaint is logged no more often than this. */
const complaintMs = 10_000;

/**
 * The FastAGI server. Whatever goes wrong on our side, or in a handler, the call goes on: the status variable says ERROR
 * or stays empty, the connection is closed, and the dialplan takes its next line.
 */
export class AgiServer {
  readonly #config: AgiServerConfig;
  readonly #routes: ReadonlyMap<string, AgiHandler>;
  readonly #log: Log;
  readonly #monotonicMs: () => number;
  readonly #isAllowed: (socket: Socket) => boolean;
  readonly #server: Server;
  /** Without a head yet, oldest first. */
  readonly #waiting = new Set<AgiSession>();
  /** With a handler at work or saying goodbye, oldest first. */
  readonly #active = new Set<AgiSession>();
  readonly #complainedAtMs = new Map<string, number>();
  readonly #counts = { served: 0, failed: 0, refused: 0, late: 0, hungUp: 0 };
  #sweep: ReturnType<typeof setInterval> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(parts: {
    readonly config: AgiServerConfig;
    readonly routes: ReadonlyMap<string, AgiHandler>;
    readonly log: Log;
    readonly monotonicMs?: () => number;
  }) {
    if (!isLoopback(parts.config.host) && parts.config.allow.length === 0) {
      throw new Error(
        `FastAGI has no passwords: it listens on ${parts.config.host} only with a list of allowed addresses`,
      );
    }
    this.#config = parts.config;
    this.#routes = parts.routes;
    this.#log = parts.log;
    this.#monotonicMs = parts.monotonicMs ?? (() => performance.now());
    const isListed = createAllowList(parts.config.allow);
    // On loopback there is nobody to refuse, and each connection is spared the system call that asks for its address.
    this.#isAllowed = isLoopback(parts.config.host) ? () => true : (socket) => isListed(socket.remoteAddress);
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Rejects when the address cannot be listened on. */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port: this.#config.port, host: this.#config.host, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) =>
      this.#complain('accepting', { error }, 'FastAGI connections could not be accepted'),
    );
    this.#sweep = setInterval(() => this.#endLate(), sweepMs);
  }

  /** The port listened on, for configurations that leave the choice to the system. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Accepts nothing more, lets handlers finish for `graceMs`, then ends what is left. */
  async stop(graceMs = 2000): Promise<void> {
    if (!this.#sweep) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#waiting) session.destroy('the service stops');
    if (this.#active.size > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        timer = setTimeout(resolve, graceMs);
      });
      clearTimeout(timer);
      for (const session of this.#active) session.destroy('the service stops');
    }
    await closed;
    clearInterval(this.#sweep);
    this.#sweep = null;
  }

  status(): readonly PartStatus[] {
    const counts = { ...this.#counts, active: this.#active.size, waiting: this.#waiting.size };
    const isFull = this.#active.size >= this.#config.maxSessions;
    return [
      {
        part: 'FastAGI',
        health: !this.#sweep ? 'error' : isFull ? 'warning' : 'ok',
        message: !this.#sweep
          ? 'does not listen; calls take the default route'
          : isFull
            ? `all ${this.#config.maxSessions} sessions are taken; further calls take the default route`
            : `listens on ${this.#config.host}:${this.port}`,
        ...counts,
      },
    ];
  }

  #accept(socket: Socket): void {
    if (!this.#isAllowed(socket)) {
      this.#counts.refused += 1;
      this.#complain(
        'address',
        { address: socket.remoteAddress },
        'a FastAGI connection from an address that is not allowed',
      );
      // A reset from the other side must not end the process before the socket is gone.
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const session = new AgiSession(socket, this.#monotonicMs(), this.#events);
    this.#waiting.add(session);
    if (this.#waiting.size > this.#config.maxWaiting) {
      // Asterisk sends its head at once; who has been silent longest is the least likely to be one.
      this.#counts.refused += 1;
      this.#complain('waiting', {}, 'too many FastAGI connections that ask nothing; the oldest is closed');
      for (const oldest of this.#waiting) {
        this.#waiting.delete(oldest);
        oldest.destroy('too many connections');
        break;
      }
    }
  }

  readonly #events = {
    onRequest: (session: AgiSession): void => {
      this.#waiting.delete(session);
      if (this.#active.size >= this.#config.maxSessions) {
        this.#counts.refused += 1;
        this.#complain('sessions', {}, 'too many FastAGI sessions at once; the call takes the default route');
        session.destroy('too many sessions');
        return;
      }
      this.#active.add(session);
      void this.#serve(session);
    },
    onClosed: (session: AgiSession): void => {
      this.#waiting.delete(session);
      this.#active.delete(session);
      if (this.#active.size === 0) this.#onIdle?.();
    },
  };

  async #serve(session: AgiSession): Promise<void> {
    const { script } = session.request;
    try {
      const handler = this.#routes.get(script);
      if (!handler) throw new Error(`there is no script "${script.slice(0, 100)}"`);
      await handler(session);
      this.#counts.served += 1;
    } catch (error) {
      if (error instanceof SessionEnded) this.#counts.hungUp += 1;
      else {
        this.#counts.failed += 1;
        this.#complain(
          `script ${script.slice(0, 100)}`,
          { error },
          'a FastAGI script failed; the call takes the default route',
        );
        await session.setVariable(answerVariables.status, 'ERROR').catch(() => undefined);
      }
    }
    session.end();
  }

  #endLate(): void {
    const now = this.#monotonicMs();
    const end = (sessions: Set<AgiSession>, deadlineMs: number, reason: string) => {
      for (const session of sessions) {
        if (now - session.acceptedAtMs < deadlineMs) break;
        sessions.delete(session);
        this.#counts.late += 1;
        session.destroy(reason);
      }
    };
    end(this.#waiting, this.#config.headDeadlineMs, 'no head came');
    end(this.#active, this.#config.sessionDeadlineMs, 'the session took too long');
  }

  #complain(kind: string, fields: object, message: string): void {
    const now = this.#monotonicMs();
    if (now - (this.#complainedAtMs.get(kind) ?? -Infinity) < complaintMs) return;
    if (this.#complainedAtMs.size > 100) this.#complainedAtMs.clear();
    this.#complainedAtMs.set(kind, now);
    this.#log.warn(fields, message);
  }
}
