import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addContactsCommand } from '../../src/cli/contacts.ts';
import { addDeliveriesCommand } from '../../src/cli/deliveries.ts';
import { addLookupCommand } from '../../src/cli/lookup.ts';
import { addStatusCommand } from '../../src/cli/status.ts';
import { ensureLocalToken } from '../../src/web/local-token.ts';
import { openBook } from '../web/book.ts';
import { fullToken, openHouse, readToken, type House, type HouseOptions } from '../web/house.ts';
import { runCommand } from './terminal.ts';

const commands = [addStatusCommand, addLookupCommand, addDeliveriesCommand, addContactsCommand];

describe('commands that ask the running service', () => {
  let folder: string;
  let house: House | null = null;
  const closers: (() => Promise<unknown>)[] = [];

  const run = (...words: string[]) => runCommand(words, { commands, cwd: folder });
  const writeConfig = (port: number, token = fullToken) => {
    const tokens = token === '' ? '[]' : `[{ name: cli, token: ${token} }]`;
    writeFileSync(join(folder, 'ringledger.yaml'), `http: { port: ${port}, tokens: ${tokens} }`);
  };
  async function open(options?: HouseOptions): Promise<House> {
    house = await openHouse(options);
    writeConfig(house.port);
    return house;
  }

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ringledger-cli-'))));
  afterEach(async () => {
    await house?.stop(100);
    house = null;
    for (const close of closers.splice(0)) await close();
    rmSync(folder, { recursive: true });
  });

  it('say in one sentence that no service answers, with exit code 3', async () => {
    const { port, stop } = await openHouse();
    await stop();
    writeConfig(port);
    const { exitCode, err, out } = await run('status');
    assert.deepEqual([exitCode, out], [3, '']);
    assert.equal(
      err,
      `The service at http://127.0.0.1:${port} does not answer (ECONNREFUSED). Is it running? systemctl status ringledger\n`,
    );
  });

  it('say so when another program listens there', async () => {
    const other: Server = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
    closers.push(() => new Promise((resolve) => other.close(resolve)));
    await new Promise((resolve) => other.once('listening', resolve));
    writeConfig((other.address() as AddressInfo).port);
    const { exitCode, err } = await run('status');
    assert.equal(exitCode, 3);
    assert.match(err, /does another program listen there\?/);
  });

  it('say where the token is missing, and take the one that the service left for this machine', async () => {
    const { port } = await open();
    writeConfig(port, '');
    const missing = await run('status');
    assert.equal(missing.exitCode, 3);
    assert.match(missing.err, /There is no token file .*\/data\/api-token/);
    // A token that this service does not know shows that the file is what is used.
    assert.match(ensureLocalToken(join(folder, 'data', 'api-token')), /^[0-9a-f]{64}$/);
    const wrong = await run('status');
    assert.equal(wrong.err, 'This token is not known.\n');
  });

  it('end with 2 when what they were given cannot be meant, and say why', async () => {
    const { asked } = await open();
    const noNumber = await run('lookup', 'abc');
    assert.deepEqual(
      [noNumber.exitCode, noNumber.out, noNumber.err, asked.lookups.length],
      [2, '', '"abc" is not a number.\n', 0],
    );
    const noTime = await run('lookup', '+79161110002', '--at', 'tonight');
    assert.deepEqual([noTime.exitCode, noTime.out], [2, '']);
    assert.match(noTime.err, /at: /);
    assert.equal((await run('deliveries', 'list', '--state', 'lost')).exitCode, 2);
    // What is asked for and is not there is no wrong usage.
    assert.equal((await run('deliveries', 'pause', 'kommo')).exitCode, 1);
  });

  describe('status', () => {
    it('prints a line for each part and ends with 1 while one is in error', async () => {
      await open({
        status: [
          { part: 'storage', health: 'ok', message: 'SQLite in /var/lib' },
          { part: 'ami office', health: 'error', message: 'Login refused: check the secret.' },
        ],
      });
      assert.deepEqual(await run('status'), {
        exitCode: 1,
        err: '',
        out: [
          '       PART',
          'OK     storage     SQLite in /var/lib',
          'ERROR  ami office  Login refused: check the secret.',
          '',
        ].join('\n'),
      });
    });

    it('ends with 0 while parts only warn, and gives JSON to programs', async () => {
      await open({ status: [{ part: 'x', health: 'warning', message: 'm' }] });
      const { exitCode, out } = await run('status', '--json');
      assert.deepEqual(
        [exitCode, JSON.parse(out)],
        [0, { status: 'warning', parts: [{ part: 'x', health: 'warning', message: 'm' }] }],
      );
    });
  });

  it('lookup prints what a call would be answered and each step', async () => {
    const steps = [{ step: 'mirror', outcome: 'found Ivan\u001b[31m' }];
    const { asked } = await open({
      parts: {
        lookup: { trace: async (question) => (asked.lookups.push(question), { status: 'FOUND', name: 'Иван', steps }) },
      },
    });
    const { out, exitCode } = await run('lookup', '+79161110002', '--trunk', 'provider');
    assert.equal(exitCode, 0);
    assert.equal(out, 'status: FOUND\nname: Иван\n\nsteps:\nSTEP    OUTCOME\nmirror  found Ivan [31m\n');
    assert.deepEqual(asked.lookups, [{ number: '+79161110002', did: null, trunk: 'provider', at: null }]);
    assert.deepEqual(JSON.parse((await run('lookup', '1', '--json')).out), { status: 'FOUND', name: 'Иван', steps });
  });

  describe('deliveries', () => {
    it('list prints what is owed and why it was refused', async () => {
      const { asked } = await open();
      const { out } = await run('deliveries', 'list', '--crm', 'local', '--state', 'rejected,pending', '--limit', '5');
      assert.match(out, /^ID +MADE +CRM +KIND +STATE +TRIES +CALL +CRM ID +LAST ERROR\n7 .*the contact is locked\n$/);
      assert.deepEqual(asked.deliveries[0], {
        sort: 'createdAt',
        order: 'desc',
        limit: 5,
        after: null,
        crm: 'local',
        states: ['rejected', 'pending'],
      });
      assert.equal((JSON.parse((await run('deliveries', 'list', '--json')).out) as unknown[]).length, 1);
    });

    it('resend takes ids or a filter, not both and not neither', async () => {
      const { asked } = await open();
      assert.equal((await run('deliveries', 'resend')).exitCode, 2);
      assert.equal((await run('deliveries', 'resend', '7', '--crm', 'local')).exitCode, 2);
      assert.deepEqual(asked.resent, []);
      assert.deepEqual(await run('deliveries', 'resend', '--state', 'rejected'), {
        exitCode: 0,
        out: '1 of 1 put back into the queue.\n',
        err: '',
      });
      assert.deepEqual(await run('deliveries', 'resend', '7', '99'), {
        exitCode: 1,
        out: '99: There is no such delivery.\n1 of 2 put back into the queue.\n',
        err: '',
      });
      assert.deepEqual(asked.resent, ['7', '7']);
    });

    it('pause and resume a CRM', async () => {
      const { request } = await open();
      assert.equal((await run('deliveries', 'pause', 'local', '--reason', 'migration')).out, 'local is paused.\n');
      assert.match(await (await request('/api/v1/crms')).text(), /"pausedReason":"migration"/);
      assert.equal((await run('deliveries', 'resume', 'local')).out, 'local is resumed.\n');
      const unknown = await run('deliveries', 'pause', 'kommo');
      assert.deepEqual([unknown.exitCode, unknown.err], [1, "There is no CRM 'kommo'; configured: local.\n"]);
    });

    it('tell what the service refuses', async () => {
      const { port } = await open();
      writeConfig(port, readToken);
      assert.equal(
        (await run('deliveries', 'resend', '7')).out,
        '7: This token may look, not change.\n0 of 1 put back into the queue.\n',
      );
      assert.match((await run('deliveries', 'list', '--state', 'lost')).err, /state.0: must be of pending, leased/);
    });
  });

  describe('contacts', () => {
    async function openWithBook() {
      const { book, parts, close } = await openBook(join(folder, 'ledger.db'));
      closers.push(close);
      await open({ parts });
      return book;
    }
    const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
    const importFile = (name: string, ...options: string[]) =>
      run('contacts', 'import', join(folder, name), ...options);

    it('are imported once, however often the file is', async () => {
      const book = await openWithBook();
      write(
        'c.csv',
        'name,company,numbers,tags\nИван Ёлкин,"Рога, копыта",8 916 111-00-02; +74951234567,vip\nAnna,,,\n,,79161110003,\n',
      );
      assert.equal(
        (await importFile('c.csv', '--dry-run')).out,
        'would be created 3, would be completed 0, unchanged 0, failed 0\n',
      );
      assert.equal((await importFile('c.csv')).out, 'created 3, completed 0, unchanged 0, failed 0\n');
      const list = () => book.listContacts({ sort: 'name', order: 'asc', limit: 50, after: null, text: '' });
      const ivan = (await list()).items.find(({ name }) => name === 'Иван Ёлкин')!;
      assert.deepEqual(
        [ivan.company, [...ivan.numbers].sort(), ivan.tags],
        ['Рога, копыта', ['+74951234567', '+79161110002'], ['vip']],
      );
      const again = await importFile('c.csv');
      assert.equal(again.out, 'created 0, completed 0, unchanged 3, failed 0\n');
    });

    it('that exist are completed, never emptied', async () => {
      const book = await openWithBook();
      const known = await book.addContact({
        name: 'Иван',
        company: 'Рога',
        numbers: ['89161110002'],
        responsibleId: null,
        tags: ['old'],
      });
      write('c.csv', 'Телефон;Компания;Теги\n+7 (916) 111-00-02, 84951234567;;new\n');
      assert.equal((await importFile('c.csv')).out, 'created 0, completed 1, unchanged 0, failed 0\n');
      const { updatedAt: _, ...changed } = (await book.contact(known.id))!;
      assert.deepEqual(
        { ...changed, numbers: [...changed.numbers].sort() },
        {
          id: known.id,
          name: 'Иван',
          company: 'Рога',
          numbers: ['+74951234567', '+79161110002'],
          responsibleId: null,
          tags: ['old', 'new'],
          url: null,
        },
      );
    });

    it('with two lines of one number follow the first, say so, and change nothing when imported again', async () => {
      const book = await openWithBook();
      write(
        'c.csv',
        'name,company,numbers,tags\nИван,Рога,89161110002,vip\nАнна,Копыта,"8 916 111-00-02; 89161110003",\nИван,,89161110003,new\n,,89161110004,\nBoris,,89161110004,\n',
      );
      const note = `${join(folder, 'c.csv')}:3: note: The same contact as line 2: its name "Иван", company "Рога" stays; one of the two lines is wrong.\n`;
      const would = await importFile('c.csv', '--dry-run');
      assert.deepEqual(
        [would.exitCode, would.out],
        [0, `${note}would be created 2, would be completed 3, unchanged 0, failed 0\n`],
      );
      const done = await importFile('c.csv');
      assert.deepEqual(done.out, `${note}created 2, completed 3, unchanged 0, failed 0\n`);
      const list = async () =>
        (await book.listContacts({ sort: 'name', order: 'asc', limit: 50, after: null, text: '' })).items;
      assert.deepEqual(
        (await list()).map(({ name, company, numbers, tags }) => [name, company, numbers, tags]),
        [
          ['Boris', null, ['+79161110004'], []],
          ['Иван', 'Рога', ['+79161110002', '+79161110003'], ['vip', 'new']],
        ],
      );
      const before = await list();
      for (let round = 0; round < 2; round++) {
        assert.equal((await importFile('c.csv')).out, `${note}created 0, completed 0, unchanged 5, failed 0\n`);
        assert.deepEqual(await list(), before);
      }
    });

    it('change a name that was changed here since, and tell it before and after', async () => {
      const book = await openWithBook();
      write('c.csv', 'name,numbers\nИван,89161110002\n');
      await importFile('c.csv');
      const [{ id }] = (await book.listContacts({ sort: 'name', order: 'asc', limit: 50, after: null, text: '' }))
        .items as unknown as [{ id: string }];
      await book.editContact(id, { name: 'Иван Ёлкин' });
      const note = `${join(folder, 'c.csv')}:2: note: Renamed: it was "Иван Ёлкин".\n`;
      assert.equal(
        (await importFile('c.csv', '--dry-run')).out,
        `${note}would be created 0, would be completed 1, unchanged 0, failed 0\n`,
      );
      assert.equal((await book.contact(id))!.name, 'Иван Ёлкин');
      assert.equal((await importFile('c.csv')).out, `${note}created 0, completed 1, unchanged 0, failed 0\n`);
      assert.equal((await book.contact(id))!.name, 'Иван');
    });

    it('in Windows-1251 with semicolons are read as Excel writes them', async () => {
      const book = await openWithBook();
      const russian = Uint8Array.from([
        0xc8, 0xec, 0xff, 0x3b, 0xd2, 0xe5, 0xeb, 0xe5, 0xf4, 0xee, 0xed, 0x0d, 0x0a, 0xb8, 0xe6, 0x3b,
      ]);
      write('c.csv', Buffer.concat([russian, Buffer.from('79161110002\r\n')]));
      await importFile('c.csv');
      const { items } = await book.listContacts({ sort: 'name', order: 'asc', limit: 50, after: null, text: '' });
      assert.deepEqual(
        items.map(({ name, numbers }) => [name, numbers]),
        [['ёж', ['+79161110002']]],
      );
    });

    it('with quotation marks inside of names are read as they stand', async () => {
      const book = await openWithBook();
      write('c.csv', 'name;company;numbers\nАнна;ООО "Ромашка";79161110002\n"Иван";"ЗАО ""Рога""";79161110003\n');
      const { out, err } = await importFile('c.csv');
      assert.equal(out, 'created 2, completed 0, unchanged 0, failed 0\n', err);
      const { items } = await book.listContacts({ sort: 'name', order: 'asc', limit: 50, after: null, text: '' });
      assert.deepEqual(
        items.map(({ name, company }) => [name, company]),
        [
          ['Анна', 'ООО "Ромашка"'],
          ['Иван', 'ЗАО "Рога"'],
        ],
      );
    });

    it('that are wrong are told with their line, and the others are imported', async () => {
      await openWithBook();
      write('c.csv', `name,numbers\nA,79161110002\n${'x'.repeat(600)},79161110003\nB,79161110004\n`);
      const { exitCode, out } = await importFile('c.csv');
      assert.equal(exitCode, 1);
      assert.match(
        out,
        /c\.csv:3: The request is not valid: name: .*\ncreated 2, completed 0, unchanged 0, failed 1\n$/,
      );
    });

    it('need headings, a readable file and valid CSV', async () => {
      await openWithBook();
      write('c.csv', 'Ivan,79161110002\n');
      const headings = await importFile('c.csv');
      assert.deepEqual([headings.exitCode, headings.out], [2, '']);
      assert.match(headings.err, /^The first line must name the columns: name, company, numbers/);
      write('c.csv', 'name,numbers\n"Ivan,79161110002\n');
      assert.match((await importFile('c.csv')).err, /not valid CSV/);
      assert.match((await importFile('none.csv')).err, /none\.csv cannot be read/);
    });

    it('are exported so that import reads them back and a spreadsheet runs nothing', async () => {
      const book = await openWithBook();
      const fields = { company: 'A "B", C', responsibleId: null, tags: ['x', 'y'] };
      const evil = await book.addContact({
        ...fields,
        name: '=HYPERLINK("http://x")',
        numbers: ['89161110002', '89161110003'],
      });
      const file = join(folder, 'out.csv');
      assert.equal((await run('contacts', 'export', file)).out, `1 contact written to ${file}\n`);
      const text = readFileSync(file, 'utf8');
      assert.equal(
        text,
        '\ufeffname,company,numbers,responsible,tags\r\n"\'=HYPERLINK(""http://x"")","A ""B"", C","\'+79161110002; +79161110003",,"x; y"\r\n',
      );
      assert.equal((await importFile('out.csv')).out, 'created 0, completed 0, unchanged 1, failed 0\n');
      assert.equal((JSON.parse((await run('contacts', 'export', '--json')).out) as { id: string }[])[0]!.id, evil.id);
      assert.match(
        (await run('contacts', 'export', join(folder, 'no', 'such', 'folder'))).err,
        /cannot be written: ENOENT/,
      );
    });
  });
});
