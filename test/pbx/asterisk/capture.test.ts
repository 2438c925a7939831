import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { readFile } from 'node:fs/promises';
import type { PbxEvent } from '../../../src/core/pbx-event.ts';
import { defaultLinkDeadlines, LoginRefused } from '../../../src/pbx/asterisk/ami/ami-link.ts';
import { readCapture, recogniseCapture } from '../../../src/pbx/asterisk/capture.ts';
import { NumberMask, recordCapture } from '../../../src/pbx/asterisk/record.ts';
import { amiMessage, FakeAmi } from '../../support/fake-ami.ts';
import { until } from '../../support/until.ts';

const story = join(dirname(fileURLToPath(import.meta.url)), '../../scenarios/inbound-answered/asterisk-22');
const settings = { source: 'pbx', timeZone: 'UTC' };

async function read(path: string): Promise<PbxEvent[]> {
  const events: PbxEvent[] = [];
  for await (const batch of readCapture(path, settings)) events.push(...batch);
  return events;
}

describe('a capture', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ringledger-capture-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is recognised by its content', async () => {
    for (const [file, kind] of [
      ['ami.log', 'ami'],
      ['cel.csv', 'cel'],
      ['cdr.csv', 'cdr'],
    ] as const) {
      const bytes = await readFile(join(story, file));
      assert.equal(recogniseCapture(bytes, 'UTC'), kind);
      assert.equal(
        recogniseCapture(Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'), 'UTC'),
        kind,
      );
      assert.ok((await read(join(story, file))).length > 0);
    }
    assert.equal(recogniseCapture(Buffer.from('Event: Newchannel\r\nChannel: x\r\n\r\n'), 'UTC'), 'ami');
  });

  it('of none of these kinds is refused by name', async () => {
    const path = join(folder, 'notes.txt');
    await writeFile(path, 'Dear diary,\nno calls today\n');
    await assert.rejects(read(path), /notes\.txt is neither an AMI capture, nor a CEL CSV, nor a CDR Master\.csv/);
    await assert.rejects(read(join(folder, 'absent')), /ENOENT/);
  });

  it('that is empty holds nothing', async () => {
    const path = join(folder, 'empty');
    await writeFile(path, '');
    assert.deepEqual(await read(path), []);
  });

  it('may lack the last line break', async () => {
    for (const file of ['ami.log', 'cel.csv', 'cdr.csv']) {
      const path = join(folder, file);
      await writeFile(path, (await readFile(join(story, file), 'latin1')).trimEnd(), 'latin1');
      assert.deepEqual(await read(path), await read(join(story, file)));
    }
  });

  it('of any size is read in little memory', async () => {
    const path = join(folder, 'long.log');
    const once = await readFile(join(story, 'ami.log'));
    const file = await open(path, 'w');
    const times = Math.ceil(40_000_000 / once.length);
    for (let i = 0; i < times; i++) await file.write(once);
    await file.close();
    const before = process.memoryUsage().rss;
    let count = 0;
    let most = 0;
    for await (const batch of readCapture(path, settings)) {
      count += batch.length;
      most = Math.max(most, process.memoryUsage().rss);
    }
    assert.equal(count, times * (await read(join(story, 'ami.log'))).length);
    assert.ok(most - before < 150_000_000, `${most - before} bytes more`);
  });
});

describe('recording a capture', () => {
  let fake: FakeAmi;
  afterEach(() => fake.stop());
  const record = (output: PassThrough, mask: NumberMask | null, signal: AbortSignal, secret = 'secret') =>
    recordCapture({
      address: { host: '127.0.0.1', port: fake.port, username: 'events', secret },
      deadlines: defaultLinkDeadlines,
      output,
      mask,
      signal,
    });

  it('keeps every byte that Asterisk sends, beginning with the channels that exist, and no secret', async () => {
    fake = await FakeAmi.start({ channels: [{ Channel: 'PJSIP/101-1', Uniqueid: '1795250429.0' }] });
    const output = new PassThrough();
    const ending = new AbortController();
    const recorded = record(output, null, ending.signal);
    await until(() => fake.actions.some((action) => action.get('Action') === 'CoreShowChannels'));
    const event = amiMessage({ Event: 'Newchannel', CallerIDNum: '79161110002', CallerIDName: 'Ёлка' });
    fake.connection.send(event);
    let text = '';
    output.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until(() => text.endsWith(event));
    ending.abort();
    assert.equal(await recorded, 'stopped');
    assert.ok(text.startsWith('Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n'));
    assert.ok(text.includes('Event: CoreShowChannel\r\n'));
    assert.ok(!text.includes('secret'));
    assert.equal(recogniseCapture(Buffer.from(text), 'UTC'), 'ami');
  });

  it('says why it ended, and why it could not begin', async () => {
    fake = await FakeAmi.start();
    const recorded = record(new PassThrough(), null, new AbortController().signal);
    await until(() => fake.actions.some((action) => action.get('Action') === 'CoreShowChannels'));
    fake.connection.drop();
    assert.notEqual(await recorded, 'stopped');
    await assert.rejects(record(new PassThrough(), null, new AbortController().signal, 'wrong'), LoginRefused);
  });

  it('masks numbers in what it writes', async () => {
    fake = await FakeAmi.start();
    const output = new PassThrough();
    const ending = new AbortController();
    const recorded = record(output, new NumberMask(), ending.signal);
    await until(() => fake.actions.some((action) => action.get('Action') === 'CoreShowChannels'));
    fake.connection.send('Event: A\r\nCallerIDNum: 7916');
    fake.connection.send('1110002\r\n\r\n');
    let text = '';
    output.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until(() => text.includes('CallerIDNum: '));
    ending.abort();
    await recorded;
    assert.match(text, /CallerIDNum: 79161\d{6}\r\n/);
    assert.ok(!text.includes('79161110002'));
  });
});

describe('masking numbers', () => {
  const mask = new NumberMask({ key: Buffer.alloc(32, 7), keep: ['7000001'] });
  it('replaces the same number by the same, however it is written, and keeps its length and code', () => {
    const masked = mask.mask('79161110002 +79161110002 89161110002 9161110002 79161110003').split(' ');
    const end = masked[0]!.slice(-6);
    assert.notEqual(end, '110002');
    assert.deepEqual(masked.slice(0, 4), [`79161${end}`, `+79161${end}`, `89161${end}`, `9161${end}`]);
    assert.notEqual(masked[4]!.slice(-6), end);
  });
  it('masks numbers inside names of files, dial strings and caller ids', () => {
    for (const text of [
      '/monitor/20261121-093251-79161110002-101.wav',
      'PJSIP/79161110002@provider,20',
      '"Ivan" <79161110002>',
      'sip:79161110002@10.0.0.1:5060',
      'CALLERID(num)=79161110002',
    ])
      assert.ok(!mask.mask(text).includes('1110002'), mask.mask(text));
  });
  it('leaves ids, times, channel names and the numbers to keep', () => {
    for (const text of [
      'Timestamp: 1795250429.735044',
      'Uniqueid: pbx-1795250429.12',
      'Channel: PJSIP/101-00000003',
      'Channel: Local/101@phones-00000012;2',
      'BridgeUniqueid: 14714d87-f552-4838-8fe0-181790690990',
      'BridgeUniqueid: 12345678-1552-4838-8fe0-181790690990',
      'EventTime: 2026-11-21 08:40:29',
      'Exten: 7000001',
      'Exten: 101',
    ])
      assert.equal(mask.mask(text), text);
  });
  it('leaves a recorded story the same story', async () => {
    const original = await readFile(join(story, 'ami.log'));
    const folder = await mkdtemp(join(tmpdir(), 'ringledger-mask-'));
    try {
      const path = join(folder, 'ami.log');
      await writeFile(path, mask.mask(original.toString('latin1')), 'latin1');
      const events = await read(path);
      const before = await read(join(story, 'ami.log'));
      const shape = (list: readonly PbxEvent[]) =>
        list.map((event) => [event.type, event.at, event.linkedId, event.uniqueId, event.channel]);
      assert.deepEqual(shape(events), shape(before));
      assert.ok(!JSON.stringify(events).includes('79161110002'));
      assert.ok(JSON.stringify(before).includes('79161110002'));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
