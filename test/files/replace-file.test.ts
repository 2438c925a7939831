import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { giveTo } from '../../src/files/owner.ts';
import { createFile, putFolderInPlace, putInPlace, replaceFile } from '../../src/files/replace-file.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

/** What is seen right after each time that a file or folder was put onto the disk. */
async function whileSyncing<Seen>(look: (name: string) => Seen, work: () => Promise<void>): Promise<Seen[]> {
  const probe = await open(import.meta.filename, 'r');
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const sync = prototype.sync;
  const seen: Seen[] = [];
  prototype.sync = async function (this: FileHandle) {
    await sync.call(this);
    seen.push(look(readlinkSync(`/proc/self/fd/${this.fd}`)));
  };
  try {
    await work();
  } finally {
    prototype.sync = sync;
  }
  return seen;
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('a file that is replaced', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-files-'));
    path = join(folder, 'settings.yaml');
    writeFileSync(path, 'former');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The former content, and nothing beside it. */
  function assertUntouched() {
    assert.equal(readFileSync(path, 'utf8'), 'former');
    assert.deepEqual(readdirSync(folder), ['settings.yaml']);
  }

  it('has the new content and exactly the rights that were said, whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      await replaceFile(path, { content: 'new', mode: 0o664 });
      await createFile(join(folder, 'other'), { content: Buffer.from([0, 255]), mode: 0o755 });
    } finally {
      process.umask(umask);
    }
    assert.deepEqual([readFileSync(path, 'utf8'), modeOf(path)], ['new', 0o664]);
    assert.deepEqual([[...readFileSync(join(folder, 'other'))], modeOf(join(folder, 'other'))], [[0, 255], 0o755]);
    assert.deepEqual(readdirSync(folder), ['other', 'settings.yaml']);
  });

  it('is on the disk with its rights before it counts, and the folder with its name before anybody is told', async () => {
    const lookAtSynced = (name: string) => [
      name === folder ? 'folder' : [readFileSync(name, 'utf8'), modeOf(name)],
      `in place: ${readFileSync(path, 'utf8')}`,
    ];
    const synced = await whileSyncing(lookAtSynced, async () => {
      await replaceFile(path, { content: 'new', mode: 0o640 });
      const made = join(folder, 'made');
      writeFileSync(made, 'made elsewhere');
      await putInPlace(made, path, { mode: 0o600 });
    });
    assert.deepEqual(synced, [
      [['new', 0o640], 'in place: former'],
      ['folder', 'in place: new'],
      [['made elsewhere', 0o600], 'in place: new'],
      ['folder', 'in place: made elsewhere'],
    ]);
  });

  it('is on the disk with all of its folder before that counts', async () => {
    const [made, place] = [join(folder, 'made'), join(folder, 'place')];
    mkdirSync(made);
    for (const name of ['one', 'two']) writeFileSync(join(made, name), name);
    symlinkSync(path, join(made, 'link'));
    const synced = await whileSyncing(
      (name) => [relative(folder, name), existsSync(place)],
      () => putFolderInPlace(made, place),
    );
    assert.deepEqual(synced.slice(0, 2).sort(), [
      ['made/one', false],
      ['made/two', false],
    ]);
    assert.deepEqual(synced.slice(2), [
      ['made', false],
      ['', true],
    ]);
    assert.deepEqual(readdirSync(place), ['link', 'one', 'two']);
    assert.equal(existsSync(made), false);
  });

  it('stays as it was, with nothing beside it, when its owner or its last question says no', async () => {
    const no = () => Promise.reject(new Error('no'));
    await assert.rejects(replaceFile(path, { content: 'new', mode: 0o640, prepare: no }), /^Error: no$/);
    await assert.rejects(replaceFile(path, { content: 'new', mode: 0o640, confirm: no }), /^Error: no$/);
    await assert.rejects(replaceFile(join(folder, 'none', 'x'), { content: 'new', mode: 0o640 }), { code: 'ENOENT' });
    assertUntouched();
    mkdirSync(join(folder, 'other'));
    await assert.rejects(replaceFile(join(folder, 'other'), { content: 'new', mode: 0o640 }), { code: 'EISDIR' });
    assert.deepEqual(readdirSync(folder), ['other', 'settings.yaml']);
  });

  it('is asked about when all is written, and not before', async () => {
    const seen: string[] = [];
    const beside = () =>
      readFileSync(
        join(
          folder,
          readdirSync(folder).find((name) => name.startsWith('.'))!,
        ),
        'utf8',
      );
    await replaceFile(path, {
      content: 'new',
      mode: 0o640,
      prepare: async (made) => void seen.push(`prepare ${readFileSync(made, 'utf8')}`),
      confirm: async () => void seen.push(`confirm ${beside()} over ${readFileSync(path, 'utf8')}`),
    });
    assert.deepEqual(seen, ['prepare new', 'confirm new over former']);
  });

  it('stays as it was on a disk that is full, with nothing beside it', async function () {
    const small = join(folder, 'small');
    mkdirSync(small);
    const disk = mountSmallDisk(small, '256k');
    if (disk === null) return this.skip();
    try {
      path = join(small, 'settings.yaml');
      await replaceFile(path, { content: 'former', mode: 0o600 });
      await assert.rejects(replaceFile(path, { content: 'n'.repeat(1024 * 1024), mode: 0o640 }), { code: 'ENOSPC' });
      assert.equal(readFileSync(path, 'utf8'), 'former');
      assert.deepEqual(readdirSync(small), ['settings.yaml']);
      const filler = disk.fill();
      await assert.rejects(replaceFile(path, { content: 'new', mode: 0o640 }), { code: 'ENOSPC' });
      await assert.rejects(createFile(join(small, 'other'), { content: 'new', mode: 0o640 }), { code: 'ENOSPC' });
      assert.deepEqual([readFileSync(path, 'utf8'), modeOf(path)], ['former', 0o600]);
      assert.deepEqual(readdirSync(small), ['filler', 'settings.yaml']);
      rmSync(filler);
      await replaceFile(path, { content: 'new', mode: 0o640 });
      assert.equal(readFileSync(path, 'utf8'), 'new');
    } finally {
      disk.unmount();
    }
  });

  it('is whole for whoever reads it, however often it is replaced', async () => {
    const contents = ['a', 'b'].map((letter) => letter.repeat(300_000));
    await replaceFile(path, { content: contents[0]!, mode: 0o640 });
    let isWriting = true;
    const reader = (async () => {
      let reads = 0;
      for (; isWriting; reads += 1) assert.ok(contents.includes(await readFile(path, 'utf8')), 'a part was read');
      return reads;
    })();
    for (let turn = 0; turn < 60; turn += 1) {
      await replaceFile(path, { content: contents[turn % 2]!, mode: 0o640 });
    }
    isWriting = false;
    assert.ok((await reader) > 20);
  });

  it('is whole after a kill at any moment; what was left beside is for its owner alone and in nobody’s way', async () => {
    const bytes = 1_000_000;
    const script = join(import.meta.dirname, '..', 'support', 'processes', 'replace-files.ts');
    let whileWriting = 0;
    for (const afterMs of [0, 3, 8, 14, 21, 37]) {
      const child = spawn(process.execPath, ['--import', 'tsx', script, path, String(bytes)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await delay(afterMs);
      child.kill('SIGKILL');
      await once(child, 'exit');
      assert.equal(child.signalCode, 'SIGKILL');
      const text = readFileSync(path, 'utf8');
      assert.ok(text === 'a'.repeat(bytes) || text === 'b'.repeat(bytes), 'it is one of the two, whole');
      for (const name of readdirSync(folder).filter((one) => one !== 'settings.yaml')) {
        whileWriting += 1;
        assert.match(name, /^\.settings\.yaml\.[0-9a-f]{12}$/);
        if (statSync(join(folder, name)).size < bytes) assert.equal(modeOf(join(folder, name)), 0o600);
      }
    }
    assert.ok(whileWriting > 0, 'some of the kills came in the middle');
    await replaceFile(path, { content: 'new', mode: 0o640 });
    assert.equal(readFileSync(path, 'utf8'), 'new');
  });

  it('is a file of its own where a link was: what the link led to is not touched', async () => {
    const link = join(folder, 'link');
    symlinkSync(path, link);
    await replaceFile(link, { content: 'new', mode: 0o640 });
    assert.equal(lstatSync(link).isSymbolicLink(), false);
    assert.deepEqual([readFileSync(link, 'utf8'), readFileSync(path, 'utf8')], ['new', 'former']);
  });

  it('is made by one alone of those who make it at once, and never over what is there', async () => {
    await assert.rejects(createFile(path, { content: 'new', mode: 0o640 }), { code: 'EEXIST' });
    assertUntouched();
    const dangling = join(folder, 'dangling');
    symlinkSync(join(folder, 'nowhere'), dangling);
    await assert.rejects(createFile(dangling, { content: 'new', mode: 0o640 }), { code: 'EEXIST' });
    rmSync(dangling);
    const fresh = join(folder, 'fresh');
    const makers = ['one', 'two', 'three', 'four'];
    const outcomes = await Promise.allSettled(makers.map((content) => createFile(fresh, { content, mode: 0o640 })));
    const made = makers.filter((_, index) => outcomes[index]!.status === 'fulfilled');
    assert.deepEqual(made, [readFileSync(fresh, 'utf8')]);
    assert.equal(statSync(fresh).nlink, 1);
    assert.deepEqual(readdirSync(folder), ['fresh', 'settings.yaml']);
  });

  describe('with an owner', () => {
    const ownerOf = (file: string) => [statSync(file).uid, statSync(file).gid];
    beforeEach(function () {
      // Only root may give files away.
      if (process.getuid?.() !== 0) this.skip();
    });

    it('is given to him before it counts', async () => {
      await replaceFile(path, {
        content: 'new',
        mode: 0o640,
        prepare: async (made) => assert.equal(await giveTo(made, { uid: 5001, gid: 5002 }), true),
      });
      assert.deepEqual([...ownerOf(path), modeOf(path)], [5001, 5002, 0o640]);
    });

    it('is handed at least to his group by who is not root, and else stays the writer’s, which is told', async () => {
      chmodSync(folder, 0o777);
      chownSync(path, 4321, 4321);
      const groups = process.getgroups!();
      process.setgroups!([4400]);
      process.seteuid!(4321);
      try {
        assert.equal(await giveTo(path, { uid: 5001, gid: 4400 }), true);
        assert.deepEqual(ownerOf(path), [4321, 4400]);
        assert.equal(await giveTo(path, { uid: 5001, gid: 4400 }), true, 'it is the group’s already');
        assert.equal(await giveTo(path, { uid: 5001, gid: 4999 }), false);
        assert.deepEqual(ownerOf(path), [4321, 4400]);
      } finally {
        process.seteuid!(0);
        process.setgroups!(groups);
      }
    });
  });
});
