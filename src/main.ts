#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCommands } from './cli/commands.ts';
import { runCli } from './cli/context.ts';
import { setGarbageCollection } from './installation/garbage-collection.ts';

const commands = createCommands({
  async startService({ config, file }, surroundings) {
    setGarbageCollection();
    const [{ createApp }, { createLog }] = await Promise.all([import('./app.ts'), import('./cli/log.ts')]);
    return createApp(config, { log: createLog(config.log, process.stdout), origin: { file, ...surroundings } });
  },
  signals: process,
  exit: (code) => process.exit(code),
});

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
