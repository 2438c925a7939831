// All set-up that `npm start`, `npm run demo` and `npm test` need on a fresh machine, from a fresh clone.
// Plain JavaScript without dependencies, because it runs before they are installed.
//   node scripts/setup.mjs           packages from the lock file
//   node scripts/setup.mjs --demo    … and what the demonstration uses of the operating system
//   node scripts/setup.mjs --tests   … and what the tests use of it (needs root on Debian, else it says what is missing)
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Ringledger needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(1);
}

installPackages();
if (process.argv.includes('--tests')) installSystemParts({ isForTests: true });
else if (process.argv.includes('--demo')) installSystemParts({ isForTests: false });

/** Installs unless what stands in node_modules is what the lock file says, built for this Node. */
function installPackages() {
  const stamp = join(root, 'node_modules', '.installed-for');
  const isForThisNode = !existsSync(stamp) || readFileSync(stamp, 'utf8') === process.versions.modules;
  if (isForThisNode && hasLockedPackages()) return;
  console.log('Installing packages from the lock file …');
  // Also where NODE_ENV is production: the compiler is one of them.
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, process.versions.modules);
}

/** npm notes in node_modules what it installed; packages for other platforms are not among it. */
function hasLockedPackages() {
  const installedFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  const { '': _self, ...locked } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return (
    Object.entries(locked).every(
      ([path, { version, optional }]) => installed[path]?.version === version || (optional && !installed[path]),
    ) && Object.keys(installed).every((path) => path in locked)
  );
}

/** Debian packages by the program or file that shows them to be there. */
function installSystemParts({ isForTests }) {
  const wanted = [
    { name: 'debootstrap', shownBy: ['/usr/sbin/debootstrap', '/usr/sbin/asterisk'] },
    { name: 'ffmpeg', shownBy: ['/usr/bin/ffmpeg', '/usr/local/bin/ffmpeg'] },
    { name: 'postgresql', shownBy: ['/usr/lib/postgresql'], containing: 'initdb', isForTests: true },
    { name: 'php-cli', shownBy: ['/usr/bin/php'], isForTests: true },
    { name: 'chromium', shownBy: ['/usr/bin/chromium'], isForTests: true },
  ].filter((part) => isForTests || part.isForTests !== true);
  const missing = wanted.filter((part) => !part.shownBy.some((path) => isThere(path, part.containing)));
  if (missing.length === 0) return;
  const names = missing.map((part) => part.name);
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    const consequence = isForTests ? 'what needs them will fail' : 'what needs them is left out';
    console.warn(`Missing: ${names.join(', ')}. Install them, or run as root on Debian; ${consequence}.`);
    return;
  }
  console.log(`Installing ${names.join(', ')} …`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Without a network the rest still works: the demonstration plays recorded calls, and each test says what it lacks.
  const isDone =
    tryTo('apt-get', ['update', '-qq'], environment, 'ignore') &&
    tryTo('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], environment, 'ignore');
  if (!isDone) console.warn(`Not installed: ${names.join(', ')}.`);
}

function isThere(path, containing) {
  if (!existsSync(path)) return false;
  return containing === undefined || spawnSync('find', [path, '-name', containing]).stdout.length > 0;
}

function run(command, args) {
  if (!tryTo(command, args)) process.exit(1);
}

function tryTo(command, args, environment = process.env, output = 'inherit') {
  const { status } = spawnSync(command, args, { cwd: root, env: environment, stdio: ['ignore', output, 'inherit'] });
  if (status !== 0) console.error(`${command} ${args.join(' ')} failed`);
  return status === 0;
}
