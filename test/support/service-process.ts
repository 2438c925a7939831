/** The service as a process of its own, which can be killed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** Beside dist/, so that everything is found as from there; compiled anew by each run of the tests. */
const compiled = join(root, '.test-dist');
let program: string | null = null;

/** The compiled program: it starts in a third of the time that tsx takes, and it is what runs next to a PBX. */
function compile(): string {
  rmSync(compiled, { recursive: true, force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const words = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', compiled];
  const { stdout } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' });
  const main = join(compiled, 'src/main.js');
  if (!existsSync(main)) throw new Error(`The service does not compile:\n${stdout}`);
  return main;
}

export interface LogRecord {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export class ServiceProcess {
  readonly agiPort: number;
  readonly httpPort: number;
  /** From the start of the process until calls were followed and questions answered. */
  readonly readyAfterMs: number;
  /** Everything it logged. */
  readonly log: readonly LogRecord[];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(parts: { child: ChildProcess; log: readonly LogRecord[]; readyAfterMs: number }) {
    this.#child = parts.child;
    this.#exited = parts.child.exitCode === null ? once(parts.child, 'exit') : Promise.resolve();
    this.log = parts.log;
    this.readyAfterMs = parts.readyAfterMs;
    const ready = parts.log.findLast((record) => record.msg === 'ready')!;
    this.agiPort = ready['agiPort'] as number;
    this.httpPort = ready['httpPort'] as number;
  }

  /** Starts it with this configuration, written to `ringledger.yaml` in the folder. @throws with its words when it ends */
  static async start(folder: string, config: object, name = 'ringledger.yaml'): Promise<ServiceProcess> {
    const file = join(folder, name);
    writeFileSync(file, stringify(config));
    program ??= compile();
    const startedAt = performance.now();
    const child = spawn(process.execPath, [program, 'start', '--config', file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log: LogRecord[] = [];
    const said: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => log.push(JSON.parse(line) as LogRecord));
    const hasReady = () => log.some((record) => record.msg === 'ready');
    await new Promise<void>((done, fail) => {
      createInterface({ input: child.stderr }).on('line', (line) => said.push(line));
      child.stdout.on('data', () => setImmediate(() => hasReady() && done()));
      child.once('exit', (code, signal) => {
        fail(new Error(`The service ended with ${code ?? signal}:\n${said.join('\n')}\n${JSON.stringify(log)}`));
      });
    });
    return new ServiceProcess({ child, log, readyAfterMs: performance.now() - startedAt });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** SIGKILL: as in a power cut, nothing is finished. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
  /** SIGTERM, and waits until it has finished. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#exited;
  }
  /** Holds it still, as a machine does that swaps; `SIGCONT` lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }
}
