/**
 * Processes of foreign code: in a group of their own, with few rights to the machine, and gone with all that they started when
 * they are ended.
 */
import { randomInt } from 'node:crypto';
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';

export interface ContainedCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** All that the process sees of the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdio: StdioOptions;
  /** Written memory of each process; null: watched by other means. */
  readonly memoryBytes: number | null;
}

export interface ContainedProcess {
  readonly child: ChildProcess;
  /** Ends the whole group at once. */
  kill(): void;
  /** Ends also what left the group; for after a fault, as it looks at every process of the machine. */
  hunt(): Promise<void>;
  /** After a run that went well: what it left behind is ended within seconds, with that of all others in one look. */
  sweep(): void;
}

const prlimit = ['/usr/bin/prlimit', '/bin/prlimit'].find((path) => existsSync(path)) ?? null;
/**
 * What tells a run's processes from all others: a limit that every descendant inherits and that limits nothing on Linux,
 * as who starts a daemon may well clear its environment. Where limits cannot be set, the environment.
 */
const markName = 'RINGLEDGER_HOOK_RUN';
const markedLimit = /^Max file locks +(\d+) /m;
/** Calls come first. */
const niceness = 10;

export function startContained(wanted: ContainedCommand): ContainedProcess {
  const mark = randomInt(1, 2 ** 47);
  const limits = [
    '--core=0',
    `--locks=${mark}`,
    '--nofile=256',
    ...(wanted.memoryBytes === null ? [] : [`--data=${wanted.memoryBytes}`]),
    '--',
    wanted.command,
    ...wanted.args,
  ];
  const [command, args] = prlimit === null ? [wanted.command, [...wanted.args]] : [prlimit, limits];
  const child = spawn(command, args, {
    cwd: wanted.cwd,
    env: { ...wanted.env, [markName]: String(mark) },
    stdio: wanted.stdio,
    detached: true,
  });
  if (child.pid !== undefined) lowerPriority(child.pid);
  const kill = () => killGroup(child.pid);
  return {
    child,
    kill,
    async hunt() {
      kill();
      await huntMarked(new Set([String(mark)]));
    },
    sweep() {
      if (left.size === 0) setTimeout(() => void sweepLeft(), sweepAfterMs).unref();
      left.add(String(mark));
    },
  };
}

const sweepAfterMs = 1_000;
/** Marks of runs that are over and may have left something. */
const left = new Set<string>();

/** Ends now what runs that went well have left. */
export async function sweepLeft(): Promise<void> {
  const marks = new Set(left);
  left.clear();
  if (marks.size > 0) await huntMarked(marks);
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It is over already, or the system does not allow it: no reason not to run it.
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is empty.
  }
}

async function huntMarked(marks: ReadonlySet<string>): Promise<void> {
  // What is found may have just forked: until none is found.
  for (let round = 0; round < 5 && (await killMarked(marks)) > 0; round += 1);
}

/** Ends every process with one of these marks; how many there were. */
async function killMarked(marks: ReadonlySet<string>): Promise<number> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  let found = 0;
  for (const pid of pids) {
    const mark = await readMark(pid);
    if (mark === null || !marks.has(mark)) continue;
    found += 1;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      found -= 1;
    }
  }
  return found;
}

async function readMark(pid: string): Promise<string | null> {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '');
  if (prlimit !== null) return markedLimit.exec(await read('limits'))?.[1] ?? null;
  const entry = (await read('environ')).split('\0').find((line) => line.startsWith(`${markName}=`));
  return entry?.slice(markName.length + 1) ?? null;
}

/** The last that a process printed, and whether it prints more than is allowed in a second. */
export class PrintedTail {
  readonly #maxBytesPerSecond: number;
  #text = '';
  #second = 0;
  #bytes = 0;

  constructor(maxBytesPerSecond: number) {
    this.#maxBytesPerSecond = maxBytesPerSecond;
  }

  get text(): string {
    return this.#text.trim();
  }

  /** False: this was too much. */
  add(chunk: Buffer): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) this.#bytes = 0;
    this.#second = second;
    this.#bytes += chunk.length;
    this.#text = (this.#text + chunk.subarray(-4000).toString()).slice(-4000);
    return this.#bytes <= this.#maxBytesPerSecond;
  }
}
