#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addConfigCommand } from './cli/config.ts';
import { addContactsCommand } from './cli/contacts.ts';
import { runCli, type AddCommand } from './cli/context.ts';
import { addCrmCommand } from './cli/crm.ts';
import { addDeliveriesCommand } from './cli/deliveries.ts';
import { dialplanCommands } from './cli/dialplan.ts';
import { createDoctorCommand } from './cli/doctor.ts';
import { dialplanParts, doctorParts } from './cli/installation-parts.ts';
import { createLog } from './cli/log.ts';
import { addHookCommand } from './cli/hooks.ts';
import { addLookupCommand } from './cli/lookup.ts';
import { addRebuildCommand } from './cli/rebuild.ts';
import { createRecordCommand } from './cli/record.ts';
import { addReplayCommand } from './cli/replay.ts';
import { createStartCommand } from './cli/start.ts';
import { addStatusCommand } from './cli/status.ts';
import { setGarbageCollection } from './installation/garbage-collection.ts';

/** All commands; the only list. */
const commands: readonly AddCommand[] = [
  createStartCommand({
    async startService({ config, file }, surroundings) {
      setGarbageCollection();
      // The other commands need not wait for the whole house to load.
      const { createApp } = await import('./app.ts');
      return createApp(config, { log: createLog(config.log, process.stdout), origin: { file, ...surroundings } });
    },
    signals: process,
    exit: (code) => process.exit(code),
  }),
  addStatusCommand,
  createDoctorCommand(doctorParts),
  addConfigCommand,
  dialplanCommands(dialplanParts),
  addLookupCommand,
  addDeliveriesCommand,
  addContactsCommand,
  addCrmCommand,
  addHookCommand,
  createRecordCommand({ signals: process }),
  addReplayCommand,
  addRebuildCommand,
];

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
