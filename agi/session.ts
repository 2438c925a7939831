import type { Socket } from 'node:net';
import Context from 'ding-dong/lib/context.js';
import type { DingDongContext, DingDongReply } from 'ding-dong/lib/context.js';
import { readRequest, type AgiRequest } from './request.ts';

/** Asterisk reads commands into a buffer of 2,048 bytes, its line break and end mark included (AGI_BUF_LEN). */
export const mostLineBytes = 2047;
/** A head is about 600 bytes; 128 arguments of full length fit. */
const mostHeadBytes = 128 * 1024;
/** All answers of one session: a few values of channel variables. */
const mostAnswerBytes = 512 * 1024;

/** A value that cannot be sent without becoming something else on the wire; nothing was sent. */
export class UnsafeCommand extends Error {
  override readonly name = 'UnsafeCommand';
}
/** Asterisk did not do it: 510 unknown command, 511 dead channel, 520 wrong usage, or a result that says so. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
/** The call or the connection is over, or the session took too long; nothing more can be asked. */
export class SessionEnded extends Error {
  override readonly name = 'SessionEnded';
}

export interface SessionEvents {
  /** The whole head has arrived. Called once, at most. */
  onRequest(session: AgiSession): void;
  /** The connection is gone. Called exactly once, after everything in flight is settled. */
  onClosed(session: AgiSession): void;
}

/**
 * ding-dong's commands and its reading of answers, without its constructor, which would put a stream around the socket:
 * that is where lines are split, joined and lost.
 */
class Commands {
  pending: DingDongContext['pending'] = null;
  readonly stream: DingDongContext['stream'];
  constructor(write: (line: string) => void) {
    this.stream = { write };
  }
}
interface Commands extends Pick<DingDongContext, 'setVariable' | 'getVariable' | 'readResponseLine'> {}
Object.setPrototypeOf(Commands.prototype, Context.prototype);

const lineFeed = 10;

/**
 * One question of the dialplan, over one connection: a hardened shell around ding-dong. ding-dong words the commands and
 * understands the answers; everything it trusts its peer with is done here instead: the head is read from the same
 * bytes, a command that would not arrive as one line is refused, one command is under way at a time, ding-dong is
 * fed whole lines and only those that are answers, and whatever waits is settled when the connection ends.
 */
export class AgiSession {
  /** When it was accepted, on the monotonic clock. */
  readonly acceptedAtMs: number;
  readonly #socket: Socket;
  readonly #events: SessionEvents;
  readonly #commands: Commands;
  /** Commands that wait for their turn; null while none ever did. */
  #waiting: (() => void)[] | null = null;
  #request: AgiRequest | null = null;
  /** The beginning of what has not come whole; null while nothing has begun. */
  #chunks: Buffer[] | null = null;
  #headBytes = 0;
  #answerBytes = 0;
  #lastByte = 0;
  #isBusy = false;
  /** The beginning of an answer that comes as several lines. */
  #unfinished: string | null = null;
  /** Why nothing more can be asked; null while something can. */
  #endReason: string | null = null;

  constructor(socket: Socket, acceptedAtMs: number, events: SessionEvents) {
    this.#socket = socket;
    this.acceptedAtMs = acceptedAtMs;
    this.#events = events;
    this.#commands = new Commands((line) => this.#write(line));
    // A reset may arrive at any time, and without a listener it would end the process.
    socket.on('error', (error) => this.#end(`the connection broke: ${error.message}`));
    socket.on('close', () => {
      this.#end('the connection was closed');
      events.onClosed(this);
    });
    socket.on('data', (chunk) => {
      if (this.#request === null) this.#readHead(chunk);
      else this.#readAnswers(chunk);
    });
  }

  /** The head; a session without one has not been given to any handler. */
  get request(): AgiRequest {
    if (this.#request === null) throw new Error('the head has not arrived');
    return this.#request;
  }
  /** True once the caller hung up, the connection ended or the time was over: commands reject from then on. */
  get isEnded(): boolean {
    return this.#endReason !== null;
  }

  /** Sets a channel variable, or a function such as `CALLERID(name)`. The value arrives in Asterisk as it is. */
  async setVariable(name: string, value: string): Promise<void> {
    const reply = await this.#run(variableName(name), escape(value));
    if (reply.result !== '1') throw new CommandRefused(reply.code, `variable ${name} was not set`);
  }

  /** The value of a channel variable or function, line breaks in it as spaces; null when it is not set. Asterisk gives at most 1,023 bytes. */
  async getVariable(name: string): Promise<string | null> {
    const reply = await this.#run(variableName(name), null);
    return reply.result === '1' ? (reply.value ?? '') : null;
  }

  /** Says goodbye after what was written; the dialplan goes on with its next line. */
  end(): void {
    this.#end('the session is over');
    // Answered commands have left our buffers, so closing loses nothing and saves a system call.
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.destroySoon();
  }

  /** Ends at once, for sessions that take too long. */
  destroy(reason: string): void {
    this.#end(reason);
    this.#socket.destroy();
  }

  #readHead(chunk: Buffer): void {
    // The head ends with an empty line, which may be split between two segments.
    const isSplitEnd = this.#lastByte === lineFeed && chunk[0] === lineFeed;
    const end = isSplitEnd ? -1 : chunk.indexOf('\n\n');
    this.#lastByte = chunk[chunk.length - 1]!;
    this.#headBytes += chunk.length;
    if (this.#headBytes > mostHeadBytes) return this.destroy('the head is too long');
    if (!isSplitEnd && end < 0) {
      (this.#chunks ??= []).push(chunk);
      return;
    }
    const rest = isSplitEnd ? 1 : end + 2;
    this.#request = readRequest(this.#takeText(chunk, 0, isSplitEnd ? 0 : end));
    // Before the first command: what comes right behind the head answers nothing, but may be a hang-up.
    if (rest < chunk.length) this.#readAnswers(chunk.subarray(rest));
    this.#events.onRequest(this);
  }

  #readAnswers(chunk: Buffer): void {
    if (this.#endReason !== null) return;
    this.#answerBytes += chunk.length;
    if (this.#answerBytes > mostAnswerBytes) return this.destroy('the answers are too long');
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(lineFeed, start);
      if (end < 0) break;
      this.#readLine(this.#takeText(chunk, start, end));
      start = end + 1;
    }
    if (start < chunk.length) (this.#chunks ??= []).push(chunk.subarray(start));
  }

  /** What was kept of earlier segments, with this part of the last one. */
  #takeText(chunk: Buffer, start: number, end: number): string {
    if (this.#chunks === null) return chunk.toString('utf8', start, end);
    const text = Buffer.concat([...this.#chunks, chunk.subarray(start, end)]).toString();
    this.#chunks = null;
    return text;
  }

  #readLine(line: string): void {
    if (line === 'HANGUP') return this.#end('the caller hung up');
    // Nothing was asked: a peer that is no Asterisk.
    if (this.#commands.pending === null) return;
    const answer = this.#unfinished === null ? line : `${this.#unfinished} ${line}`;
    const isUsage = answer.startsWith('520-');
    // The usage of a command, and a value with line breaks, come as several lines.
    if (isUsage ? !line.startsWith('520 ') : answer.startsWith('200 result=1 (') && !line.endsWith(')')) {
      this.#unfinished = answer;
      return;
    }
    this.#unfinished = null;
    if (answer.startsWith('200 result=')) this.#commands.readResponseLine(answer);
    // 1xx says only that the command is being worked on.
    else if (/^[2-9]\d\d[ -]/.test(answer)) this.#settle(new CommandRefused(Number(answer.slice(0, 3)), answer));
  }

  #settle(error: Error): void {
    const { pending } = this.#commands;
    this.#commands.pending = null;
    pending?.(error);
  }

  /** One command at a time: Asterisk answers in order, but reads the next one only after it has answered. `value` null: asks for it. */
  async #run(name: string, value: string | null): Promise<DingDongReply> {
    if (this.#isBusy) await new Promise<void>((resolve) => (this.#waiting ??= []).push(resolve));
    this.#isBusy = true;
    try {
      if (this.#endReason !== null) throw new SessionEnded(this.#endReason);
      const commands = this.#commands;
      return await (value === null ? commands.getVariable(name) : commands.setVariable(name, value));
    } finally {
      this.#commands.pending = null;
      const next = this.#waiting?.shift();
      // Handed over without a gap, or a newcomer would slip in between.
      if (next) next();
      else this.#isBusy = false;
    }
  }

  /** The last gate before the wire, whatever made the line. */
  #write(line: string): void {
    const isOneLine = line.indexOf('\n') === line.length - 1 && !/[\r\0]/.test(line);
    if (!isOneLine) throw new UnsafeCommand('a command must be one line');
    const bytes = Buffer.byteLength(line);
    if (bytes > mostLineBytes) {
      throw new UnsafeCommand(`a command must not be longer than ${mostLineBytes} bytes`);
    }
    // Plain ASCII is the same in both, and written faster as Latin-1.
    this.#socket.write(line, bytes === line.length ? 'latin1' : 'utf8');
  }

  #end(reason: string): void {
    if (this.#endReason !== null) return;
    this.#endReason = reason;
    this.#chunks = null;
    if (this.#commands.pending !== null) this.#settle(new SessionEnded(reason));
    if (this.#waiting !== null) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Inside quotes Asterisk's `parse_args` takes a backslash for "the next character as it is". */
function escape(value: string): string {
  return /["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value;
}

function variableName(name: string): string {
  if (!/^[\w(),.:@/-]{1,200}$/.test(name)) throw new UnsafeCommand(`"${name.slice(0, 200)}" is no name of a variable`);
  return name;
}
