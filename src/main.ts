#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { createCommands } from './cli/commands.ts';
import { runCli } from './cli/context.ts';

const commands = createCommands({
  async startService({ config, file }, surroundings) {
    growSlowly();
    const [{ createApp }, { createLog }] = await Promise.all([import('./app.ts'), import('./cli/log.ts')]);
    return createApp(config, { log: createLog(config.log, process.stdout), origin: { file, ...surroundings } });
  },
  signals: process,
  exit: (code) => process.exit(code),
});

/**
 * Beside a PBX memory is worth more than a little processor time: by itself Node lets garbage grow to several times of what
 * is in use before it collects it. Measured in README.md.
 */
function growSlowly(): void {
  setFlagsFromString('--heap-growing-percent=50');
}

/** From `package.json`, which stands one folder higher for the compiled program. */
function readVersion(): string {
  const folder = dirname(fileURLToPath(import.meta.url));
  const file = ['..', '../..'].map((up) => join(folder, up, 'package.json')).find((path) => existsSync(path));
  if (file === undefined) return 'unknown';
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

// `ringledger … | head` closes our output early; that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  version: readVersion(),
  commands,
});
