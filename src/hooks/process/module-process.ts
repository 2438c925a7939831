import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { HookFault, type HookFaultKind } from '../hook-fault.ts';
import { PrintedTail, startContained, type ContainedProcess } from './contained-process.ts';

export interface ModuleProcessSettings {
  /** `hook-runtime/run-module.mjs` of the installation. */
  readonly runner: string;
  /** The compiled module. */
  readonly file: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  readonly startDeadlineMs: number;
  readonly onPrinted: (text: string) => void;
}

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (fault: HookFault) => void;
}

const memoryLookMs = 200;

/** A Node process that has loaded one hook and runs it again and again. Once it is over, every run in it has been told. */
export class ModuleProcess {
  readonly #settings: ModuleProcessSettings;
  readonly #contained: ContainedProcess;
  readonly #printed: PrintedTail;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<void>;
  #settleReady: Waiting | null = null;
  #nextId = 1;
  #line: Buffer[] = [];
  #lineBytes = 0;
  #memoryTimer: NodeJS.Timeout | null = null;
  #end: HookFault | null = null;
  #isRetired = false;
  readonly over: Promise<void>;

  constructor(settings: ModuleProcessSettings) {
    this.#settings = settings;
    this.#printed = new PrintedTail(settings.outputBytes);
    const heapMb = Math.max(16, Math.floor(settings.memoryBytes / 2 ** 20 / 2));
    this.#contained = startContained({
      command: process.execPath,
      args: [
        '--enable-source-maps',
        `--max-old-space-size=${heapMb}`,
        '--v8-pool-size=1',
        settings.runner,
        settings.file,
      ],
      cwd: settings.cwd,
      env: { ...settings.env, UV_THREADPOOL_SIZE: '2' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      memoryBytes: null,
    });
    const { child } = this.#contained;
    this.#ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve: () => resolve(), reject };
    });
    // Whoever starts it asks; nobody may have got there yet when it fails.
    this.#ready.catch(() => undefined);
    const startTimer = setTimeout(
      () => this.#fail('start', `did not load within ${settings.startDeadlineMs} ms`),
      settings.startDeadlineMs,
    );
    void this.#ready.then(
      () => clearTimeout(startTimer),
      () => clearTimeout(startTimer),
    );
    this.over = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#fail('start', error.message);
        if (child.pid === undefined) resolve();
      });
      child.once('exit', (code, signal) => {
        const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
        this.#fail('crash', [`the process ${how}`, this.#printed.text].filter(Boolean).join(': '));
        // What it left in its group.
        this.#contained.kill();
        for (const stream of child.stdio) stream?.destroy();
        resolve();
      });
    });
    child.stdin!.on('error', () => undefined);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        if (!this.#printed.add(chunk)) this.#fail('flood', 'printed more than it may');
        else settings.onPrinted(chunk.subarray(0, 2000).toString());
      });
    }
    const answers = child.stdio[3] as Readable;
    answers.on('data', (chunk: Buffer) => this.#take(chunk));
    answers.on('error', () => undefined);
  }

  /** Resolves once the module is loaded; rejects with the fault that kept it from that. */
  ready(): Promise<void> {
    return this.#ready;
  }

  get isUsable(): boolean {
    return this.#end === null && !this.#isRetired;
  }

  /** One run. After the deadline it rejects, and the process gets no further runs. */
  run(input: object, deadlineMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) {
        reject(this.#end);
        return;
      }
      const id = this.#nextId;
      this.#nextId += 1;
      const timer = setTimeout(() => {
        settle(() => reject(new HookFault('timeout', `gave no answer within ${Math.round(deadlineMs)} ms`)));
        this.retire();
      }, deadlineMs);
      const settle = (tell: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if (this.#waiting.size === 0) this.#lookAtMemory(false);
        tell();
        if (this.#isRetired && this.#waiting.size === 0) this.close();
      };
      this.#waiting.set(id, {
        resolve: (output) => settle(() => resolve(output)),
        reject: (fault) => settle(() => reject(fault)),
      });
      this.#lookAtMemory(true);
      this.#contained.child.stdin!.write(`${JSON.stringify({ id, input })}\n`);
    });
  }

  /** Takes nothing new and ends with its last run. */
  retire(): void {
    this.#isRetired = true;
    if (this.#waiting.size === 0) this.close();
  }

  close(): void {
    this.#fail('crash', 'the hook was ended');
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#line, rest.subarray(0, end)]);
      this.#line = [];
      this.#lineBytes = 0;
      rest = rest.subarray(end + 1);
      if (line.length > this.#settings.outputBytes) return this.#fail('flood', 'answered more than it may');
      this.#takeLine(line.toString());
      if (this.#end !== null) return;
    }
    if (rest.length === 0) return;
    this.#line.push(rest);
    this.#lineBytes += rest.length;
    if (this.#lineBytes > this.#settings.outputBytes) this.#fail('flood', 'answered more than it may');
  }

  #takeLine(line: string): void {
    let message: { ready?: unknown; id?: unknown; output?: unknown; error?: unknown };
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      return this.#fail('garbage', 'wrote something to descriptor 3, which belongs to the answers');
    }
    if (typeof message !== 'object' || message === null) return this.#fail('garbage', 'answered nonsense');
    if (message.ready === true) return this.#settleReady?.resolve(null);
    if (message.ready === false) return this.#fail('start', String(message.error));
    const { id } = message;
    if (typeof id !== 'number' || id >= this.#nextId) return this.#fail('garbage', 'answered what was not asked');
    const waiting = this.#waiting.get(id);
    // Too late: whoever asked was told.
    if (waiting === undefined) return;
    if (message.error === undefined) waiting.resolve(message.output);
    else waiting.reject(new HookFault('error', String(message.error)));
  }

  #lookAtMemory(isWanted: boolean): void {
    if (isWanted === (this.#memoryTimer !== null)) return;
    if (!isWanted) {
      clearInterval(this.#memoryTimer!);
      this.#memoryTimer = null;
      return;
    }
    this.#memoryTimer = setInterval(() => void this.#checkMemory(), memoryLookMs);
  }

  async #checkMemory(): Promise<void> {
    const { pid } = this.#contained.child;
    const pages = (await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '0 0')).split(' ')[1];
    const bytes = Number(pages) * 4096;
    if (bytes > this.#settings.memoryBytes)
      this.#fail('memory', `took ${Math.round(bytes / 2 ** 20)} MB, more than it may`);
  }

  #fail(kind: HookFaultKind, message: string): void {
    if (this.#end !== null) return;
    const fault = new HookFault(kind, message);
    this.#end = fault;
    this.#lookAtMemory(false);
    this.#settleReady?.reject(fault);
    for (const waiting of [...this.#waiting.values()]) waiting.reject(fault);
    void this.#contained.hunt();
  }
}
