import { HookFault, type HookFaultKind } from '../hook-fault.ts';
import { PrintedTail, startContained } from './contained-process.ts';

export interface ExecutableRun {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly outputBytes: number;
  /** Given on stdin. */
  readonly input: string;
  readonly deadlineMs: number;
}

export interface ExecutableOutcome {
  readonly output: string;
  /** The last that it wrote to stderr. */
  readonly printed: string;
}

/** How long what was printed may take to arrive after the end of the process; a child of it may hold the pipe for ever. */
const drainMs = 100;

/** The text, without the mark that editors on Windows put before it; null: it is not UTF-8. */
function decode(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** One process for one run. Rejects with `HookFault`; nothing of it is left when this settles, but what hides from its group is ended soon after. */
export function runExecutable(run: ExecutableRun): Promise<ExecutableOutcome> {
  return new Promise((resolve, reject) => {
    const contained = startContained({ ...run, stdio: ['pipe', 'pipe', 'pipe'] });
    const { child } = contained;
    const printed = new PrintedTail(run.outputBytes);
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isOver = false;
    const finish = (tell: () => void) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      contained.kill();
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
      tell();
    };
    const fail = (kind: HookFaultKind, message: string) => {
      finish(() => {
        void contained.hunt();
        reject(new HookFault(kind, [message, printed.text].filter(Boolean).join(': ')));
      });
    };
    const timer = setTimeout(
      () => fail('timeout', `gave no answer within ${Math.round(run.deadlineMs)} ms`),
      run.deadlineMs,
    );
    child.on('error', (error) => fail('start', error.message));
    child.stdin!.on('error', () => undefined);
    child.stdin!.end(run.input);
    child.stdout!.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > run.outputBytes) fail('flood', 'answered more than it may');
      else chunks.push(chunk);
    });
    child.stderr!.on('data', (chunk: Buffer) => {
      if (!printed.add(chunk)) fail('flood', 'printed more than it may');
    });
    const settle = (code: number | null, signal: NodeJS.Signals | null) => {
      if (code === 0) {
        const output = decode(Buffer.concat(chunks));
        if (output === null) return fail('garbage', 'answered what is not UTF-8');
        finish(() => {
          contained.sweep();
          resolve({ output, printed: printed.text });
        });
      } else fail('crash', signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    };
    child.on('exit', (code, signal) => {
      const drain = setTimeout(() => settle(code, signal), drainMs);
      child.on('close', () => {
        clearTimeout(drain);
        settle(code, signal);
      });
    });
  });
}
