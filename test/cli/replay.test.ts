import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addReplayCommand } from '../../src/cli/replay.ts';
import { runCommand } from './terminal.ts';

const scenarios = resolve(dirname(fileURLToPath(import.meta.url)), '../scenarios');
const captured = (story: string, name: string) => join(scenarios, story, 'asterisk-22', name);

interface Document {
  readonly calls: readonly (Record<string, unknown> & { readonly conversations: readonly Record<string, unknown>[] })[];
}

describe('ringledger replay', () => {
  let folder: string;
  const run = (...words: string[]) =>
    runCommand(['replay', ...words, '--json'], { commands: [addReplayCommand], cwd: folder });
  const replay = async (...files: string[]): Promise<Document> => {
    const { exitCode, out, err } = await run(...files);
    assert.deepEqual({ exitCode, err }, { exitCode: 0, err: '' });
    return JSON.parse(out) as Document;
  };
  const configure = (text: string) =>
    writeFileSync(
      join(folder, 'ringledger.yaml'),
      `installation: { country: RU, timezone: UTC }\nnumbering: { extensions: [_1XX], trunks: [provider] }\n${text}`,
    );
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-cli-'));
    configure('');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('prints exactly what is promised of a call, and nothing besides', async () => {
    const recording = '/srv/ringledger-lab/capture-forky/pbx/spool/monitor/2026/11/21/1795251355.0.wav';
    assert.deepEqual(await replay(captured('blind-transfer-dtmf', 'ami.log')), {
      calls: [
        {
          linkedId: '1795251355.0',
          direction: 'inbound',
          client: '+79161110002',
          did: '7000001',
          result: 'answered',
          startedAt: '2026-11-21T08:55:55.204Z',
          endedAt: '2026-11-21T08:56:03.780Z',
          isIvr: false,
          conversations: [
            {
              uniqueId: '1795251355.1',
              extension: '101',
              result: 'answered',
              registered: true,
              reason: null,
              requestedAt: '2026-11-21T08:55:55.209Z',
              answeredAt: '2026-11-21T08:55:56.215Z',
              endedAt: '2026-11-21T08:56:00.750Z',
              duration: 5,
              waiting: 1,
              recording,
              forwardedTo: null,
            },
            {
              uniqueId: '1795251360.2',
              extension: '103',
              result: 'answered',
              registered: true,
              reason: null,
              requestedAt: '2026-11-21T08:56:00.752Z',
              answeredAt: '2026-11-21T08:56:01.758Z',
              endedAt: '2026-11-21T08:56:03.778Z',
              duration: 2,
              waiting: 1,
              recording,
              forwardedTo: null,
            },
          ],
        },
      ],
    });
  });

  it('prints null, never nothing, for what nobody knows', async () => {
    const { calls } = await replay(captured('ivr-hang-up', 'ami.log'));
    assert.equal(calls.length, 1);
    assert.equal(calls[0]!.isIvr, true);
    assert.deepEqual(
      calls[0]!.conversations.map(({ extension, result, registered, reason, answeredAt, recording, forwardedTo }) => ({
        extension,
        result,
        registered,
        reason,
        answeredAt,
        recording,
        forwardedTo,
      })),
      [
        {
          extension: null,
          result: 'missed',
          registered: true,
          reason: null,
          answeredAt: null,
          recording: null,
          forwardedTo: null,
        },
      ],
    );
    const anonymous = await replay(captured('anonymous-caller', 'cel.csv'));
    assert.equal(anonymous.calls[0]!.client, null);
  });

  it('makes the same of several files of the same calls in any order, however often they are named', async () => {
    const [ami, cel, cdr] = ['ami.log', 'cel.csv', 'cdr.csv'].map((name) => captured('conference', name));
    const once = await replay(ami!, cel!, cdr!);
    assert.equal(once.calls.length, 1);
    assert.deepEqual(await replay(cdr!, cel!, ami!), once);
    assert.deepEqual(await replay(cel!, ami!, cdr!, ami!, cel!), once);
  });

  it('puts calls in the order of their start, also those of different files', async () => {
    const { calls } = await replay(captured('ring-group', 'cel.csv'), captured('inbound-answered', 'ami.log'));
    const starts = calls.map((call) => call.startedAt as string);
    assert.equal(starts.length, 2);
    assert.deepEqual(starts, [...starts].sort());
  });

  it('leaves calls between employees out when the configuration does, and tells the list that holds a call back', async () => {
    configure('calls: { internal: drop }\nregistration: { lists: [{ name: ours, kind: black, numbers: 7916* }] }\n');
    assert.deepEqual(await replay(captured('internal-answered', 'ami.log')), { calls: [] });
    const { calls } = await replay(captured('inbound-answered', 'ami.log'));
    const [conversation] = calls[0]!.conversations;
    assert.equal(conversation!.registered, false);
    assert.equal(conversation!.reason, 'rule:ours');
  });

  it('has no calls in an empty file', async () => {
    writeFileSync(join(folder, 'empty'), '');
    assert.deepEqual(await replay('empty'), { calls: [] });
  });

  it('ends with 1, one line and no half of a document where a file is missing or none of the three kinds', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'Milk, bread\nand butter\n');
    copyFileSync(captured('inbound-answered', 'ami.log'), join(folder, 'ami.log'));
    for (const files of [['notes.txt'], ['ami.log', 'notes.txt'], ['ami.log', 'absent']]) {
      const { exitCode, out, err } = await run(...files);
      assert.deepEqual({ exitCode, out }, { exitCode: 1, out: '' });
      assert.match(err, /^.*(?:notes\.txt is neither|absent).*\n$/);
    }
  });

  it('ends with 2 where no file is named', async () => {
    assert.deepEqual((await run()).exitCode, 2);
  });

  it('gives the same bytes for the same input', async () => {
    const file = captured('queue-thirteen-members-timed-out', 'ami.log');
    assert.ok(readFileSync(file).length > 0);
    assert.equal((await run(file)).out, (await run(file)).out);
  });
});
