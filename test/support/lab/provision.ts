/**
 * Makes sure that an Asterisk can be run: the machine's own when it has one, else one in a Debian folder of its own below
 * `.lab/` (git-ignored), made with debootstrap from the mirror that this machine's apt uses. Making it needs root and
 * takes a minute or two, once; it may be called any number of times and by several processes at once.
 */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Debian releases that the laboratory knows: forky has Asterisk 22, bullseye has Asterisk 16. */
export type Release = 'forky' | 'bullseye';

/** How to run an Asterisk. All of its paths are seen from inside `root`. */
export interface AsteriskPlace {
  /** The folder of the Debian system it lives in; null when it is installed on this machine itself. */
  readonly root: string | null;
  /** Absolute path of the program, inside `root`. */
  readonly program: string;
  readonly moduleFolder: string;
  readonly dataFolder: string;
  readonly version: string;
  /** 22, 16, … */
  readonly majorVersion: number;
}

/** Asterisk can be neither found nor installed here; the message says what would mend it. */
export class CannotProvision extends Error {
  override readonly name = 'CannotProvision';
}

const projectFolder = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const packages: Record<Release, readonly string[]> = {
  forky: ['asterisk', 'asterisk-modules', 'asterisk-core-sounds-en'],
  bullseye: ['asterisk', 'asterisk-modules', 'asterisk-voicemail', 'asterisk-core-sounds-en'],
};
const majorVersions: Record<Release, number> = { forky: 22, bullseye: 16 };
const debootstrapScripts: Record<Release, string> = { forky: 'sid', bullseye: 'bullseye' };

/**
 * Finds or makes the Asterisk of a release. `report` is told in plain words what takes so long.
 * @throws CannotProvision without root, without an apt mirror, or when a step fails (with the end of its output)
 */
export async function provision(
  options: { readonly release?: Release; readonly report?: (line: string) => void } = {},
): Promise<AsteriskPlace> {
  const release = options.release ?? 'forky';
  const report = options.report ?? (() => {});
  const installed = findInstalled();
  if (installed !== null) {
    const place = await describePlace(null, installed);
    // An installed Asterisk stands in for the newest one only; the old release is asked for by name.
    if (release === 'forky' || place.majorVersion === majorVersions[release]) return place;
  }
  const root = join(projectFolder, '.lab', release);
  const program = '/usr/sbin/asterisk';
  if (!existsSync(join(root, program))) {
    const lock = await takeLock(`${root}.lock`);
    try {
      if (!existsSync(join(root, program))) await makeSystem({ release, root, report });
    } finally {
      lock.release();
    }
  }
  nameHost(root);
  return describePlace(root, program);
}

/** True when `provision` would have nothing to make. */
export function isProvisioned(release: Release = 'forky'): boolean {
  return findInstalled() !== null || existsSync(join(projectFolder, '.lab', release, '/usr/sbin/asterisk'));
}

function findInstalled(): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'asterisk')).find((path) => existsSync(path)) ?? null;
}

async function makeSystem(options: { release: Release; root: string; report: (line: string) => void }): Promise<void> {
  const { release, root, report } = options;
  if (process.getuid?.() !== 0) {
    throw new CannotProvision(
      'No asterisk is installed, and making a Debian folder for it needs root: install asterisk, or run this as root.',
    );
  }
  const parent = dirname(root);
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${release}.making-`)) await removeSystem(join(parent, name));
  }
  const making = `${root}.making-${process.pid}`;
  try {
    if (!existsSync('/usr/sbin/debootstrap')) {
      report('installing debootstrap');
      const environment = { DEBIAN_FRONTEND: 'noninteractive' };
      await run(['apt-get', 'update'], environment);
      await run(
        ['apt-get', 'install', '-y', '--no-install-recommends', 'debootstrap', 'debian-archive-keyring'],
        environment,
      );
    }
    report(`installing Debian ${release} into .lab/ (about a minute, once)`);
    await run([
      'debootstrap',
      '--variant=minbase',
      '--keyring=/usr/share/keyrings/debian-archive-keyring.gpg',
      release,
      making,
      readMirror(),
      `/usr/share/debootstrap/scripts/${debootstrapScripts[release]}`,
    ]);
    writeFileSync(join(making, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    nameHost(making);
    report(`installing asterisk into it`);
    const environment = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
    await run(['chroot', making, 'apt-get', '-o', 'Acquire::Check-Valid-Until=false', 'update'], environment);
    await run(
      ['chroot', making, 'apt-get', 'install', '-y', '--no-install-recommends', ...packages[release]],
      environment,
    );
    await run(['chroot', making, 'apt-get', 'clean'], environment);
    // Left by an attempt that was killed between apt and rename: a folder without the program is never the finished one.
    await removeSystem(root);
    renameSync(making, root);
  } catch (error) {
    await removeSystem(making);
    throw error;
  }
}

/** A debootstrap that was killed may have left its `proc` mounted, which must not be emptied. */
async function removeSystem(folder: string): Promise<void> {
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounted.reverse()) await run(['umount', path]);
  rmSync(folder, { recursive: true, force: true });
}

/** The first Debian archive in this machine's apt sources that serves its own release. */
function readMirror(): string {
  const parts = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : []),
  ].filter((file) => existsSync(file));
  const codename = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.sources')) {
      for (const stanza of text.split(/\n\s*\n/)) {
        const uri = /^URIs:\s*(\S+)/m.exec(stanza)?.[1];
        const suites = /^Suites:\s*(.+)$/m.exec(stanza)?.[1]?.split(/\s+/) ?? [];
        if (uri !== undefined && (suites.includes(codename) || suites.includes('stable'))) return uri;
      }
    } else {
      for (const line of text.split('\n')) {
        const match = /^deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+.*\bmain\b/.exec(line.trim());
        if (match !== null && (match[2] === codename || match[2] === 'stable')) return match[1]!;
      }
    }
  }
  throw new CannotProvision(`No Debian archive for ${codename} among this machine's apt sources.`);
}

/** A host name that does not resolve makes Asterisk ask the network for it on every call. */
function nameHost(root: string): void {
  const file = join(root, 'etc/hosts');
  const present = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (present.split(/\s+/).includes(hostname())) return;
  appendFileSync(file, `${present === '' || present.endsWith('\n') ? '' : '\n'}127.0.0.1 localhost ${hostname()}\n`);
}

async function describePlace(root: string | null, program: string): Promise<AsteriskPlace> {
  const command = [program, '-V'];
  const version = (await run(root === null ? command : ['chroot', root, ...command])).trim();
  const majorVersion = Number(/Asterisk (?:certified\/)?(\d+)/i.exec(version)?.[1]);
  if (!Number.isInteger(majorVersion)) throw new CannotProvision(`${program} does not look like Asterisk: ${version}`);
  const settings = join(root ?? '/', 'etc/asterisk/asterisk.conf');
  const text = existsSync(settings) ? readFileSync(settings, 'utf8') : '';
  const folder = (name: string, otherwise: string) =>
    new RegExp(`^\\s*${name}\\s*=>?\\s*(\\S+)`, 'm').exec(text)?.[1] ?? otherwise;
  return {
    root,
    program,
    version,
    majorVersion,
    moduleFolder: folder('astmoddir', '/usr/lib/asterisk/modules'),
    dataFolder: folder('astdatadir', '/usr/share/asterisk'),
  };
}

/** A lock that the kernel frees when its holder dies, however it dies. */
async function takeLock(file: string): Promise<{ release(): void }> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn('flock', [file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise<void>((held, failed) => {
    holder.once('error', failed);
    holder.once('exit', () => failed(new CannotProvision(`cannot lock ${file}`)));
    holder.stdout.once('data', () => held());
    holder.stdin.write('?');
  });
  return { release: () => void holder.stdin.end() };
}

function run(command: readonly string[], environment: Record<string, string> = {}): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => failed(new CannotProvision(`${command[0]}: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0) done(output);
      else failed(new CannotProvision(`${command.join(' ')} ended with ${code}:\n${output.slice(-2_000)}`));
    });
  });
}
