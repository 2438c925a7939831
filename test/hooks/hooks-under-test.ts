/** Hooks in a folder of their own, as the service runs them. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { HookCall } from '../../src/core/hooks.ts';
import type { PartStatus } from '../../src/core/ports.ts';
import { hooksConfig } from '../../src/hooks/config.ts';
import { createHooks, type HooksParts, type InstalledHooks } from '../../src/hooks/installed-hooks.ts';
import { createKeptLog, type LogLine } from '../support/kept-log.ts';
import { sampleCall } from '../support/ledger-samples.ts';
import { until } from '../support/until.ts';

export const sampleHookCall = (): HookCall => {
  const call = sampleCall();
  return { call, conversation: call.conversations[0]! };
};

export class HooksUnderTest {
  readonly folder = mkdtempSync(join(tmpdir(), 'ringledger-hooks-'));
  readonly log = createKeptLog();
  readonly hooks: InstalledHooks;

  constructor(settings: Record<string, unknown> = {}, parts: Partial<HooksParts> = {}) {
    mkdirSync(this.hooksFolder);
    this.hooks = createHooks({
      config: hooksConfig.parse({ folder: this.hooksFolder, ...settings }),
      versionsFolder: this.versionsFolder,
      crms: ['local', 'other'],
      timeZone: 'Europe/Moscow',
      distributionDeadlineMs: 800,
      userOf: (_crm, extension) =>
        extension === '101' ? { id: '7', name: 'Anna Petrova', email: 'anna@example.org' } : null,
      env: process.env,
      clock: { now: () => new Date() },
      log: this.log,
      ...parts,
    });
  }

  get hooksFolder(): string {
    return join(this.folder, 'hooks');
  }
  get versionsFolder(): string {
    return join(this.folder, 'versions');
  }
  get lines(): readonly LogLine[] {
    return this.log.lines;
  }

  /** Saves a file in the hooks folder; `mode` is that of the file. */
  save(name: string, text: string, mode = 0o644): string {
    const path = join(this.hooksFolder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }

  /** Saves it as a program and makes it known. */
  async install(name: string, text: string, mode = 0o644): Promise<void> {
    this.save(name, text, mode);
    await this.hooks.refresh();
  }

  statusOf(place: string): PartStatus & Record<string, unknown> {
    const status = this.hooks.status().find(({ part }) => part === `hook ${place}`);
    if (status === undefined) throw new Error(`${place} is not installed: ${JSON.stringify(this.hooks.status())}`);
    return status;
  }

  /** The kinds of the errors kept for a hook, newest first. */
  errorsOf(place: string): readonly { readonly kind: string; readonly message: string }[] {
    return this.statusOf(place)['errors'] as { kind: string; message: string }[];
  }

  async stop(): Promise<void> {
    await this.hooks.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Until the service itself has noticed a saved file. */
  async untilInForce(
    place: string,
    condition: (status: PartStatus & Record<string, unknown>) => boolean,
  ): Promise<void> {
    await until(() => this.hooks.status().some((one) => one.part === `hook ${place}` && condition(one)), {
      what: `${place} is as it should be`,
    });
  }
}
