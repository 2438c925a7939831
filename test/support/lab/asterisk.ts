/** One running Asterisk with a configuration, folders and ports of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AmiLink } from './ami-link.ts';
import type { AsteriskPlace } from './provision.ts';

/** Where one instance keeps its things, as Asterisk itself sees it (inside its root). */
export interface InstanceFolders {
  readonly home: string;
  readonly etc: string;
  readonly lib: string;
  readonly spool: string;
  readonly run: string;
  readonly log: string;
}
export interface InstancePorts {
  readonly ami: number;
  readonly sip: number;
  /** A second SIP port, for whoever needs an address of its own. */
  readonly trunk: number;
}
/** What a configuration is made from. */
export interface InstanceSettings {
  readonly place: AsteriskPlace;
  readonly folders: InstanceFolders;
  readonly ports: InstancePorts;
  /** Of the AMI user `lab`, which may do everything. */
  readonly labSecret: string;
}

const bootDeadlineMs = 30_000;
const stopDeadlineMs = 5_000;

/** Ports that are free at this moment, outside the range that the kernel hands out by itself. */
export async function findFreePorts(): Promise<InstancePorts> {
  const [ami, sip, trunk] = [await findFreePort(), await findFreePort(), await findFreePort()];
  return { ami, sip, trunk };
}
const promised = new Set<number>();
async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 11_000 + Math.floor(Math.random() * 9_000);
    if (promised.has(port)) continue;
    if ((await canListen(port)) && (await canBindUdp(port))) {
      promised.add(port);
      return port;
    }
  }
  throw new Error('no free port between 11000 and 20000');
}
function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}
function canBindUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((done) => {
    socket.once('error', () => done(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => done(true)));
  });
}

export class Asterisk {
  readonly settings: InstanceSettings;
  #ami: AmiLink;
  #child: ChildProcess;

  /**
   * Writes the configuration, starts Asterisk and resolves when it is fully booted.
   * @throws with the end of its log when it does not come up in 30 seconds
   */
  static async start(options: {
    readonly place: AsteriskPlace;
    /** `<lab>/<side>`, unique on this machine; becomes part of Asterisk's paths. */
    readonly name: string;
    readonly ports: InstancePorts;
    readonly labSecret: string;
    /** File name → text, relative to the configuration folder. */
    readonly configure: (settings: InstanceSettings) => Readonly<Record<string, string>>;
  }): Promise<Asterisk> {
    const home = join(options.place.root === null ? tmpdir() : '/srv', 'ringledger-lab', options.name);
    const folders: InstanceFolders = {
      home,
      etc: `${home}/etc`,
      lib: `${home}/lib`,
      spool: `${home}/spool`,
      run: `${home}/run`,
      log: `${home}/log`,
    };
    const settings: InstanceSettings = { ...options, folders };
    const outside = (path: string) => join(options.place.root ?? '/', path);
    sweep(outside(dirname(dirname(home))));
    rmSync(outside(home), { recursive: true, force: true });
    for (const folder of [
      ...Object.values(folders),
      `${folders.log}/cdr-csv`,
      `${folders.log}/cel-custom`,
      `${folders.etc}/ringledger.d`,
      `${folders.spool}/monitor`,
      `${folders.spool}/voicemail`,
    ]) {
      mkdirSync(outside(folder), { recursive: true });
    }
    writeFileSync(outside(`${home}/owner`), String(process.pid));
    const files = { 'asterisk.conf': asteriskConf(settings), ...options.configure(settings) };
    for (const [name, text] of Object.entries(files)) {
      const file = outside(join(folders.etc, name));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    try {
      const { ami, child } = await boot(settings);
      return new Asterisk(settings, ami, child);
    } catch (error) {
      rmSync(outside(home), { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(settings: InstanceSettings, ami: AmiLink, child: ChildProcess) {
    this.settings = settings;
    this.#ami = ami;
    this.#child = child;
  }

  /** A session of the AMI user `lab`; another one after a restart. */
  get ami(): AmiLink {
    return this.#ami;
  }

  get pid(): number {
    return this.#child.pid!;
  }
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** A path of this Asterisk as the rest of the machine sees it. */
  outside(path: string): string {
    return join(this.settings.place.root ?? '/', path);
  }

  /** Runs a CLI command and resolves with what it prints. */
  command(command: string): Promise<string> {
    return this.ami.command(command);
  }

  /** Replaces one file of its configuration; nothing is reloaded. */
  writeConfig(name: string, text: string): void {
    writeFileSync(this.outside(join(this.settings.folders.etc, name)), text);
  }

  async reloadDialplan(): Promise<void> {
    await this.command('dialplan reload');
  }

  /** Stops it at once, as a crash or a power cut would; its files stay. */
  async kill(): Promise<void> {
    this.ami.close();
    await end(this.#child, 0);
  }

  /** Starts it again, with the same folders and ports, after `kill` or after it ended by itself. */
  async restart(): Promise<void> {
    const { ami, child } = await boot(this.settings);
    this.#ami = ami;
    this.#child = child;
  }

  /** Stops it politely, after five seconds by force, and removes its folders unless they are to be kept. */
  async stop(options: { readonly keepsFolders?: boolean } = {}): Promise<void> {
    if (this.isRunning) {
      this.ami.send({ Action: 'Command', Command: 'core stop now' }).catch(() => {});
      await end(this.#child, stopDeadlineMs);
    }
    this.ami.close();
    if (options.keepsFolders !== true) {
      rmSync(this.outside(this.settings.folders.home), { recursive: true, force: true });
    }
  }
}

function asteriskConf({ place, folders }: InstanceSettings): string {
  return `[directories]
astetcdir => ${folders.etc}
astmoddir => ${place.moduleFolder}
astvarlibdir => ${folders.lib}
astdbdir => ${folders.lib}
astkeydir => ${folders.lib}
astdatadir => ${place.dataFolder}
astagidir => ${folders.lib}
astspooldir => ${folders.spool}
astrundir => ${folders.run}
astlogdir => ${folders.log}

[options]
verbose = 3
documentation_language = en_US
`;
}

/** Removes what laboratories left whose process was killed. */
function sweep(labsFolder: string): void {
  for (const name of existsSync(labsFolder) ? readdirSync(labsFolder) : []) {
    const owners = ['pbx', 'world'].flatMap((side) => {
      const file = join(labsFolder, name, side, 'owner');
      return existsSync(file) ? [Number(readFileSync(file, 'utf8'))] : [];
    });
    if (owners.length > 0 && !owners.some(isAlive)) rmSync(join(labsFolder, name), { recursive: true, force: true });
  }
}
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function boot(settings: InstanceSettings): Promise<{ ami: AmiLink; child: ChildProcess }> {
  const { place, folders } = settings;
  const outside = (path: string) => join(place.root ?? '/', path);
  const output = openSync(outside(`${folders.log}/console`), 'a');
  // The kernel kills it when this process dies, even by SIGKILL: nothing of a laboratory outlives its tests.
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL'],
      ...(place.root === null ? [] : ['chroot', place.root]),
      ...[place.program, '-f', '-C', `${folders.etc}/asterisk.conf`],
    ],
    {
      detached: true,
      stdio: ['ignore', output, output],
      env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    },
  );
  closeSync(output);
  try {
    return { ami: await waitUntilBooted({ child, port: settings.ports.ami, secret: settings.labSecret }), child };
  } catch (error) {
    await end(child, 0);
    const said = ['console', 'full'].map((name) => readTail(outside(`${folders.log}/${name}`))).join('\n');
    throw new Error(`Asterisk in ${folders.home} did not come up: ${(error as Error).message}\n${said}`);
  }
}

async function waitUntilBooted(options: { child: ChildProcess; port: number; secret: string }): Promise<AmiLink> {
  const deadlineAt = Date.now() + bootDeadlineMs;
  for (;;) {
    if (options.child.exitCode !== null) throw new Error(`it ended with ${options.child.exitCode}`);
    if (Date.now() > deadlineAt) throw new Error('its deadline passed');
    try {
      const link = await AmiLink.open({ port: options.port, username: 'lab', secret: options.secret });
      await link.command('core waitfullybooted');
      return link;
    } catch {
      await delay(50);
    }
  }
}

async function end(child: ChildProcess, politeMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  if (politeMs > 0) {
    const patience = new AbortController();
    const isGone = await Promise.race([
      gone.then(() => true),
      delay(politeMs, false, { signal: patience.signal }).catch(() => false),
    ]);
    patience.abort();
    if (isGone) return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
  await gone;
}

function readTail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-3_000);
  } catch {
    return '';
  }
}
