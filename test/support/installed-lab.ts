/** A whole installation: laboratory, running service, and the service's own dialplan applied to the PBX by its command line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { stringify } from 'yaml';
import { runCli } from '../../src/cli/context.ts';
import { dialplanCommands } from '../../src/cli/dialplan.ts';
import { createDoctorCommand } from '../../src/cli/doctor.ts';
import { dialplanParts, doctorParts } from '../../src/cli/installation-parts.ts';
import { startLab, type Lab } from './lab/lab.ts';
import { labConfig, RunningService } from './running-service.ts';

/** The generated dialplan's settings for the laboratory's trunk and phones. */
const dialplan = {
  ringSeconds: 3,
  deputyRingSeconds: 3,
  trunks: [
    { name: 'provider', device: 'PJSIP/{number}@provider', callerId: '74950000000', rewrite: [{ from: '+', to: '' }] },
  ],
  inbound: { defaultRoute: 'group:sales' },
  outbound: [{ pattern: '_8XXXXXXXXXX', strip: 1, prepend: '7', trunks: ['provider'] }],
  groups: [{ name: 'sales', members: ['101', '103'], ringSeconds: 4, then: 'hangup' }],
};

export interface CommandOutcome {
  readonly exitCode: number;
  readonly output: string;
}

export class InstalledLab {
  readonly lab: Lab;
  readonly folder: string;
  service: RunningService;
  readonly #config: Record<string, unknown>;
  readonly #configFile: string;

  private constructor(parts: { lab: Lab; folder: string; service: RunningService; config: Record<string, unknown> }) {
    this.lab = parts.lab;
    this.folder = parts.folder;
    this.service = parts.service;
    this.#config = parts.config;
    this.#configFile = join(parts.folder, 'ringledger.yaml');
  }

  static async start(
    options: {
      readonly config?: Readonly<Record<string, unknown>>;
      /** Settings of the generated dialplan, over the laboratory's. */
      readonly dialplan?: Readonly<Record<string, unknown>>;
      readonly report?: (line: string) => void;
    } = {},
  ) {
    const lab = await startLab({
      trunkContext: 'ringledger-inbound',
      withoutClickToCallContexts: true,
      ...(options.report && { report: options.report }),
    });
    const folder = mkdtempSync(join(tmpdir(), 'ringledger-installed-'));
    try {
      const asteriskPath = `${lab.pbx.settings.folders.spool}/monitor`;
      const written = { recordings: { roots: [{ asteriskPath, path: lab.recordingsFolder }] }, ...options.config };
      const service = await RunningService.start(lab, { folder, config: written });
      const config = {
        ...labConfig(lab, folder),
        ...written,
        http: { port: service.app.httpPort },
        agi: { port: service.app.agiPort },
        dialplan: {
          ...dialplan,
          ...options.dialplan,
          folder: lab.dialplanFolder,
          asteriskFolder: dirname(lab.dialplanFolder),
          historyFolder: join(folder, 'dialplan'),
          agi: { servers: [`127.0.0.1:${service.app.agiPort}`], waitMs: 1200 },
          recording: { folder: asteriskPath },
        },
      };
      const installed = new InstalledLab({ lab, folder, service, config });
      writeFileSync(installed.#configFile, stringify(config), { mode: 0o600 });
      return installed;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** Starts the service again on the ports that the dialplan knows. */
  async restartService(): Promise<void> {
    const { dialplan: _, ...config } = this.#config;
    this.service = await RunningService.start(this.lab, { folder: this.folder, config });
  }

  /** `ringledger …` with this installation's configuration. */
  async command(...words: string[]): Promise<CommandOutcome> {
    let output = '';
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        output += chunk.toString();
        done();
      },
    });
    const exitCode = await runCli(['--config', this.#configFile, ...words], {
      env: {},
      cwd: this.folder,
      stdout: sink,
      stderr: sink,
      version: 'test',
      commands: [dialplanCommands(dialplanParts), createDoctorCommand(doctorParts)],
    });
    return { exitCode, output };
  }

  async stop(): Promise<void> {
    await this.service.stop();
    await this.lab.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
