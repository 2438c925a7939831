import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { ForbiddenFile, openBelow, RecordingFinder } from '../../src/recordings/find.ts';
import { readRecordings } from './recorded-call.ts';

describe('the search for a recording', () => {
  let folder: string;
  let root: string;
  const at = new Date('2026-11-21T23:30:00Z');
  const finderWith = (options: { templates?: string[]; timeZone?: string; asteriskPath?: string } = {}) =>
    new RecordingFinder({
      roots: [{ asteriskPath: options.asteriskPath ?? '/var/spool/asterisk', path: root }],
      templates: options.templates ?? [],
      timeZone: options.timeZone ?? 'UTC',
    });
  const put = (below: string, content = 'sound') => {
    const path = join(root, below);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  };
  async function contentOf(finder: RecordingFinder, announced: string): Promise<string | null> {
    const opened = await finder.openFirst(finder.candidatesOf(announced, at));
    if (opened === null) return null;
    try {
      return await opened.file.readFile('utf8');
    } finally {
      await opened.file.close();
    }
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-find-'));
    root = join(folder, 'root');
    mkdirSync(root);
    writeFileSync(join(folder, 'secret.wav'), 'secret');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('finds what the phone system names, in the folder as this machine has it', async () => {
    put('monitor/2026/11/21/a.wav');
    const finder = finderWith();
    assert.equal(await contentOf(finder, '/var/spool/asterisk/monitor/2026/11/21/a.wav'), 'sound');
    assert.equal(await contentOf(finder, '/var/spool/asterisk//monitor/./2026/11/../11/21/a.wav'), 'sound');
    assert.equal(await contentOf(finder, 'monitor/2026/11/21/a.wav'), 'sound');
    assert.equal(await contentOf(finder, '/var/spool/asterisk/monitor/2026/11/21/b.wav'), null);
    // A folder whose name begins alike is another.
    assert.deepEqual(finder.candidatesOf('/var/spool/asterisk-old/a.wav', at), []);
  });

  it('looks for a bare name in the folder of the day, by the phone system’s clock', async () => {
    put('2026/11/22/named.wav');
    assert.equal(await contentOf(finderWith(), 'named.wav'), null);
    assert.equal(await contentOf(finderWith({ timeZone: 'Europe/Moscow' }), 'named.wav'), 'sound');
  });

  it('knows where Asterisk puts a name without a folder, and FreePBX one of the day', async () => {
    put('monitor/bare name.wav', 'bare');
    put('monitor/sub/ж.wav', 'sub');
    put('monitor/2026/11/21/in-7000001-79161110002-20261121-233000-1795736496.0.wav', 'of the day');
    const finder = finderWith();
    assert.equal(await contentOf(finder, 'bare name.wav'), 'bare');
    assert.equal(await contentOf(finder, 'sub/ж.wav'), 'sub');
    assert.equal(await contentOf(finder, 'in-7000001-79161110002-20261121-233000-1795736496.0.wav'), 'of the day');
    assert.equal(await contentOf(finder, '../../secret.wav'), null);
  });

  it('finds what nobody announced by its template, whatever names and numbers hold', async () => {
    const { call, conversations } = readRecordings({ path: null, startedAt: at });
    const [{ conversation }] = conversations as [(typeof conversations)[number]];
    const find = async (template: string) => {
      const opened = await finderWith({ templates: [template] }).findByTemplate(call, conversation);
      await opened?.file.close();
      return opened === null ? null : opened.path.slice(root.length + 1);
    };
    put(`monitor/2026/11/21/in-7000001-79161110002-20261121-233000-${call.linkedId}.wav`);
    put('by-phone/79161110002_101.mp3');
    assert.match((await find('monitor/{{year}}/{{month}}/{{day}}/*-{{uniqueid}}.*'))!, /^monitor/);
    assert.equal(await find('by-phone/{{client}}_{{extension}}.*'), 'by-phone/79161110002_101.mp3');
    assert.equal(await find('monitor/{{year}}/{{month}}/{{day}}/{{uniqueid}}.wav'), null);
    assert.equal(await find('../*.wav'), null);
    const evil = { ...call, client: '+../../secret*', linkedIds: ['../../secret'] };
    const finder = finderWith({ templates: ['x/{{client}}.wav', '{{uniqueid}}.wav', '../{{linkedid}}*'] });
    assert.equal(await finder.findByTemplate(evil, { ...conversation, uniqueId: '*' }), null);
  });

  it('opens no link, folder, pipe, device or file with a second name', async () => {
    symlinkSync(join(folder, 'secret.wav'), join(root, 'link.wav'));
    symlinkSync(folder, join(root, 'up'));
    linkSync(join(folder, 'secret.wav'), join(root, 'hard.wav'));
    mkdirSync(join(root, 'folder.wav'));
    execFileSync('mkfifo', [join(root, 'pipe.wav')]);
    for (const name of ['link.wav', 'up/secret.wav', 'hard.wav', 'folder.wav', 'pipe.wav']) {
      await assert.rejects(openBelow(root, name), ForbiddenFile, name);
    }
    try {
      execFileSync('mknod', [join(root, 'zero.wav'), 'c', '1', '5'], { stdio: 'ignore' });
    } catch {
      return; // Needs root.
    }
    await assert.rejects(openBelow(root, 'zero.wav'), ForbiddenFile);
  });

  it('opens nothing but sound', async () => {
    for (const name of ['id_rsa', 'shadow', 'a.conf', 'a.wav.txt', '.wav/x']) {
      put(name);
      assert.equal(await openBelow(root, name), null, name);
    }
  });

  it('follows a root that is a link itself: that is the owner’s choice', async () => {
    put('a.wav');
    symlinkSync(root, join(folder, 'linked-root'));
    const opened = await openBelow(join(folder, 'linked-root'), 'a.wav');
    await opened!.file.close();
  });

  it('reaches nothing outside by 5,000 crooked paths', async () => {
    const pieces = [
      '..',
      '.',
      '/',
      '\\',
      '%2e%2e',
      '%2f',
      '\0',
      '\n',
      'secret.wav',
      'root',
      'up',
      '~',
      '....//',
      ' ',
      'a.wav',
      '*',
    ];
    symlinkSync(folder, join(root, 'up'));
    put('a.wav');
    const finder = finderWith();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          '',
          '/',
          '/var/spool/asterisk/',
          '/var/spool/asterisk/../',
          root + '/',
          folder + '/',
          'file://',
        ),
        fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 7 }),
        fc.constantFrom('', '/', '/../'),
        async (start, parts, joint) => {
          const announced = start + parts.join(joint);
          const found = await contentOf(finder, announced).catch((error: unknown) => {
            assert.ok(error instanceof ForbiddenFile, String(error));
            return null;
          });
          assert.notEqual(found, 'secret', JSON.stringify(announced));
        },
      ),
      { numRuns: 5000 },
    );
    assert.equal(readFileSync(join(folder, 'secret.wav'), 'utf8'), 'secret');
  });
});
