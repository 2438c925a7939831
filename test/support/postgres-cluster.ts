import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A private PostgreSQL server with its files in a temporary folder, reached by a socket in it; no TCP port. */
export interface PostgresCluster {
  readonly socketFolder: string;
  urlOf(databaseName: string): string;
  /** SIGKILL of the whole server, as in a power cut. */
  crash(): Promise<void>;
  /** Starts it again after `crash`. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  remove(): Promise<void>;
}

const packageName = 'postgresql-15';

function findBinaries(): string | null {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root) : [];
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'));
  return folders.find((folder) => existsSync(join(folder, 'initdb'))) ?? null;
}

function installedBinaries(): string {
  const found = findBinaries();
  if (found !== null) return found;
  if (process.getuid?.() !== 0) throw new Error(`The tests need PostgreSQL: apt install ${packageName}`);
  const options = { stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  execFileSync('apt-get', ['update', '-q'], options);
  execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', packageName], options);
  return findBinaries()!;
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}

export async function startPostgresCluster(): Promise<PostgresCluster> {
  const binaries = installedBinaries();
  const user = unprivilegedUser();
  const folder = mkdtempSync(join(tmpdir(), 'ringledger-pg-'));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid!);
  const run = { ...user, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', TZ: 'UTC' } };
  const storage = join(folder, 'cluster');
  execFileSync(join(binaries, 'initdb'), ['-D', storage, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    ...run,
    stdio: 'pipe',
  });

  let server: ChildProcess | null = null;
  const stop = async (signal: NodeJS.Signals) => {
    if (server === null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
    server = null;
  };
  const cluster: PostgresCluster = {
    socketFolder: folder,
    urlOf: (databaseName) => `postgres://postgres@localhost/${databaseName}?host=${folder}`,
    async start() {
      const settings = { listen_addresses: '', unix_socket_directories: folder, max_connections: '60' };
      const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      const child = spawn(join(binaries, 'postgres'), ['-D', storage, ...flags], {
        ...run,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      server = child;
      const lines: string[] = [];
      const log = createInterface({ input: child.stderr });
      await new Promise<void>((resolve, reject) => {
        log.on('line', (line) => {
          lines.push(line);
          if (line.includes('database system is ready to accept connections')) resolve();
        });
        child.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${lines.join('\n')}`)));
      });
    },
    crash: () => stop('SIGKILL'),
    async remove() {
      await stop('SIGINT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await cluster.start();
  return cluster;
}
