import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { Findings, type Finding } from './finding.ts';

const run = promisify(execFile);
const patienceMs = 3000;

/** Asterisk looks its own host name up on calls; without an answer each of them waits. */
export async function checkHostName(hostName: string): Promise<Finding[]> {
  const findings = new Findings('host name');
  try {
    const { address } = await within(lookup(hostName), `no answer within ${patienceMs} ms`);
    findings.ok(`${hostName} is ${address}`);
  } catch (error) {
    findings.error(
      `This machine's own name ${hostName} does not resolve (${(error as Error).message}): Asterisk waits for it on every call.`,
      `Add a line to /etc/hosts: 127.0.1.1 ${hostName}`,
    );
  }
  return findings.list;
}

/** What the dialplan will connect to. */
export async function checkFastAgi(servers: readonly string[]): Promise<Finding[]> {
  const findings = new Findings('FastAGI');
  await Promise.all(
    servers.map(async (server) => {
      const separator = server.lastIndexOf(':');
      const [host, port] = [server.slice(0, separator).replaceAll(/[[\]]/g, ''), Number(server.slice(separator + 1))];
      try {
        await connectOnce(host, port);
        findings.ok(`${server} answers`);
      } catch (error) {
        findings.error(
          `Nothing answers on ${server} (${(error as Error).message}): calls take the default route.`,
          'Start the service: systemctl start ringledger. If it runs, compare agi.host and agi.port with dialplan.agi.servers.',
        );
      }
    }),
  );
  return findings.list;
}

function connectOnce(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: patienceMs });
    const finish = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('connect', () => finish());
    socket.once('error', (error: NodeJS.ErrnoException) => finish(new Error(error.code ?? error.message)));
    socket.once('timeout', () => finish(new Error(`no answer within ${patienceMs} ms`)));
  });
}

export async function checkFfmpeg(program: string): Promise<Finding[]> {
  const findings = new Findings('ffmpeg');
  try {
    const { stdout } = await run(program, ['-version'], { timeout: patienceMs });
    findings.ok(/^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? 'present');
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    findings.warning(
      isMissing
        ? `${program} is not installed: recordings stay as they are.`
        : `${program} does not run: ${(error as Error).message}`,
      'Install it: apt install ffmpeg',
    );
  }
  return findings.list;
}

export async function checkRecordingFolder(folder: string): Promise<Finding[]> {
  const findings = new Findings('recordings');
  try {
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error('is no folder'), { code: 'ENOTDIR' });
    await access(folder, constants.R_OK | constants.X_OK);
    findings.ok(`${folder} may be read`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EACCES') {
      findings.error(
        `${folder} may not be read by this user.`,
        'Put the user ringledger into the group asterisk: usermod -aG asterisk ringledger, and start the service again.',
      );
    } else {
      findings.warning(
        `${folder} does not exist${code === 'ENOTDIR' ? ' as a folder' : ''}; Asterisk makes it with the first recording.`,
        'If recordings are elsewhere, set dialplan.recording.folder.',
      );
    }
  }
  return findings.list;
}

/** Root may read everything. Whether the service may is seen only as the user who owns its folder. */
export async function checkVantage(seen: {
  readonly runsAs: number | null;
  readonly folder: string;
}): Promise<Finding[]> {
  const findings = new Findings('rights');
  if (seen.runsAs !== 0 || !existsSync(seen.folder) || (await stat(seen.folder)).uid === 0) return [];
  findings.unknown(
    'This was looked at as root, who may read everything; the service runs as another user.',
    'Look once as that user, too: runuser -u ringledger -- ringledger doctor',
  );
  return findings.list;
}

const leastFreeBytes = 200 * 1024 * 1024;

/** The folder of an embedded database. Makes nothing: what root makes, the service could not write. */
export async function checkStorageFolder(databaseFile: string): Promise<Finding[]> {
  const findings = new Findings('storage');
  const folder = dirname(databaseFile);
  const exists = existsSync(databaseFile);
  try {
    const place = nearestFolder(folder);
    await access(place, constants.W_OK | constants.X_OK);
    if (exists) await access(databaseFile, constants.R_OK | constants.W_OK);
    const { bavail, bsize } = await statfs(place);
    if (bavail * bsize < leastFreeBytes) {
      findings.error(
        `Only ${Math.floor((bavail * bsize) / 1024 / 1024)} MB are free in ${place}.`,
        'Free space there; calls can be stored only while there is some.',
      );
    }
    if (place === folder && ((await stat(folder)).mode & 0o007) !== 0) {
      findings.warning(
        `${folder} may be read by every user of this machine; it holds customers' numbers.`,
        `chmod 0750 ${folder}`,
      );
    }
    if (findings.isClean)
      findings.ok(exists ? `${databaseFile} may be written` : `${databaseFile} will be made at the first start`);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    findings.error(`${databaseFile} may not be written by this user (${reason}).`, `chown -R ringledger: ${folder}`);
  }
  return findings.list;
}

function nearestFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

/** `holdsSecrets` tells whether the configuration file has secrets in itself. */
export async function checkSecretFiles(
  files: readonly { readonly file: string; readonly holdsSecrets: boolean }[],
): Promise<Finding[]> {
  const findings = new Findings('secrets');
  const checked = files.filter(({ holdsSecrets }) => holdsSecrets);
  for (const { file } of checked) {
    try {
      const { mode } = await stat(file);
      if ((mode & 0o004) !== 0)
        findings.error(
          `${file} holds secrets and may be read by every user of this machine.`,
          `chmod 0640 ${file}; chown root:ringledger ${file}`,
        );
      else if ((mode & 0o022) !== 0 && (mode & 0o002) !== 0)
        findings.error(`${file} may be written by every user.`, `chmod 0640 ${file}`);
    } catch (error) {
      findings.unknown(`${file} cannot be looked at: ${(error as Error).message}`, 'Run doctor as root.');
    }
  }
  if (findings.isClean)
    findings.ok(
      checked.length === 0
        ? 'none are kept in files'
        : `${checked.length} file${checked.length === 1 ? '' : 's'}, not open to other users`,
    );
  return findings.list;
}

async function within<Value>(work: Promise<Value>, message: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>(
    (_resolve, reject) => (timer = setTimeout(() => reject(new Error(message)), patienceMs)),
  );
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
