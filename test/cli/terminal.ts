import { PassThrough } from 'node:stream';
import { runCli, type CliOptions } from '../../src/cli/context.ts';

export interface Printed {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line as a terminal would and collects what it prints. */
export async function runCommand(
  words: readonly string[],
  { commands, cwd, env = {} }: { commands: CliOptions['commands']; cwd: string; env?: NodeJS.ProcessEnv },
): Promise<Printed> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [stdout, stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString());
  const exitCode = await runCli(words, { env, cwd, stdout, stderr, version: '1.2.3', commands });
  stdout.end();
  stderr.end();
  return { exitCode, out: await out!, err: await err! };
}
