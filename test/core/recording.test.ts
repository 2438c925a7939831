import assert from 'node:assert/strict';
import { judgeFile, type FileLook } from '../../src/core/recording/judge-file.ts';
import { keepUntil } from '../../src/core/recording/keep-until.ts';
import { planPart } from '../../src/core/recording/plan-part.ts';
import { readRecordings, type RecordedCallOptions } from '../recordings/recorded-call.ts';

const path = '/var/spool/asterisk/monitor/2026/11/21/call.wav';
const transferred: RecordedCallOptions = {
  path,
  talks: [
    { extension: '101', from: 2, to: 5 },
    { extension: '103', from: 8, to: 12 },
  ],
};

function partsOf(options: RecordedCallOptions, durationMs: number) {
  const { conversations } = readRecordings(options);
  return conversations.map((one) =>
    planPart({ file: one.files[0]!, conversation: one.conversation, others: conversations, durationMs }),
  );
}

describe('which part of a file is a conversation', () => {
  it('is all of it where nobody else talks in it', () => {
    assert.deepEqual(partsOf({ path }, 4000), [null]);
  });

  it('is the span of the talk where several do', () => {
    assert.deepEqual(partsOf(transferred, 12_000), [
      { fromMs: 2000, toMs: 5000 },
      { fromMs: 8000, toMs: 12_000 },
    ]);
  });

  it('is counted from the end: nothing is written before the first sound', () => {
    assert.deepEqual(partsOf(transferred, 10_000), [
      { fromMs: 0, toMs: 3000 },
      { fromMs: 6000, toMs: 10_000 },
    ]);
  });

  it('leaves out what was not written while nobody talked', () => {
    assert.deepEqual(partsOf({ ...transferred, options: 'b' }, 7000), [
      { fromMs: 0, toMs: 3000 },
      { fromMs: 3000, toMs: 7000 },
    ]);
    // An option's argument is not an option.
    assert.deepEqual(partsOf({ ...transferred, options: 'i(b)' }, 12_000)[0], { fromMs: 2000, toMs: 5000 });
  });

  it('shares what was lost under way among the talks, where the file holds nothing else', () => {
    // 2 % of an hour and a half: counted from the end alone, the first would lose its last 72 seconds to the second.
    const talks = [
      { extension: '101', from: 10, to: 1810 },
      { extension: '103', from: 1900, to: 5500 },
    ];
    assert.deepEqual(partsOf({ path, talks, options: 'b' }, 5_400_000 * 0.98), [
      { fromMs: 0, toMs: 1_764_000 },
      { fromMs: 1_764_000, toMs: 5_292_000 },
    ]);
    // A third of it is missing: nobody knows where.
    assert.deepEqual(partsOf({ path, talks, options: 'b' }, 3_600_000)[1], { fromMs: 0, toMs: 3_600_000 });
  });

  it('leaves out what was not written while the recording was stopped', () => {
    const pauses = [
      { from: 3, to: 4.5, options: 'a' },
      { from: 9, to: 10, options: 'a' },
    ];
    assert.deepEqual(partsOf({ ...transferred, pauses }, 9500), [
      { fromMs: 2000, toMs: 3500 },
      { fromMs: 6500, toMs: 9500 },
    ]);
    assert.deepEqual(partsOf({ ...transferred, options: 'ab', pauses: [{ ...pauses[0]!, options: 'ab' }] }, 5500), [
      { fromMs: 0, toMs: 1500 },
      { fromMs: 1500, toMs: 5500 },
    ]);
  });

  it('knows that it was taken up again where no application tells, as over AMI', () => {
    const pauses = [
      { from: 3, to: 4.5, options: null },
      { from: 9, to: 10, options: null },
    ];
    assert.deepEqual(partsOf({ ...transferred, options: 'b', pauses }, 4500), [
      { fromMs: 0, toMs: 1500 },
      { fromMs: 1500, toMs: 4500 },
    ]);
  });

  it('begins with what is written anew where the recording does not add to its file', () => {
    const { conversations } = readRecordings({ ...transferred, pauses: [{ from: 6, to: 7, options: '' }] });
    assert.deepEqual(
      conversations.map(({ files }) => files.length),
      [0, 1],
    );
  });

  it('is all of it where the file holds no other talk', () => {
    const { conversations } = readRecordings({ ...transferred, recordedFrom: 7 });
    assert.deepEqual(
      conversations.map(({ files }) => files.length),
      [0, 1],
    );
    const [, second] = conversations;
    const { files, conversation } = second!;
    assert.equal(planPart({ file: files[0]!, conversation, others: conversations, durationMs: 5000 }), null);
  });
});

describe('which files belong to a conversation', () => {
  it('are the one on the client for both employees, told once though named twice', () => {
    const { conversations } = readRecordings(transferred);
    assert.deepEqual(
      conversations.map(({ conversation, files }) => [conversation.extension, files.map((file) => file.path)]),
      [
        ['101', [path]],
        ['103', [path]],
      ],
    );
  });

  it('are all that ran during the talk, the ledger’s first', () => {
    const { conversations } = readRecordings({ ...transferred, ownFiles: ['/queue/101.wav'] });
    assert.deepEqual(
      conversations.map(({ files }) => files.map((file) => file.path)),
      [['/queue/101.wav', path], [path]],
    );
  });

  it('are those of each side too, behind the mixed one', () => {
    const { conversations } = readRecordings({ path, options: 'br(/in/a b.wav)t(/out/ж.wav)i(ID)' });
    const [{ files }] = conversations as [(typeof conversations)[number]];
    assert.deepEqual(
      files.map((file) => file.path),
      [path, '/in/a b.wav', '/out/ж.wav'],
    );
    assert.deepEqual(files[1]!.spans, files[0]!.spans);
  });

  it('are none where none was announced', () => {
    assert.deepEqual(
      readRecordings({ path: null }).conversations.map(({ files }) => files),
      [[]],
    );
  });
});

describe('when a file is whole', () => {
  const look = (at: number, fields: Partial<FileLook> = {}): FileLook => ({
    at,
    bytes: 1000,
    isClosed: true,
    hasSound: true,
    ...fields,
  });
  const stateOf = (previous: FileLook | null, now: FileLook | null, sinceEndMs = 1000) =>
    judgeFile(previous, now, sinceEndMs).state;

  it('is once it is closed and has not grown for a while', () => {
    assert.equal(stateOf(null, look(0)), 'waiting');
    assert.equal(stateOf(look(0), look(300)), 'waiting');
    assert.equal(stateOf(look(0), look(700)), 'complete');
    assert.equal(stateOf(look(0), look(700, { bytes: 2000 })), 'waiting');
  });

  it('is a little later where its format does not tell the end, as an mp3 that a script makes', () => {
    const silent = { isClosed: null };
    assert.equal(stateOf(look(0, silent), look(2_900, silent)), 'waiting');
    assert.equal(stateOf(look(0, silent), look(3_000, silent)), 'complete');
    assert.equal(stateOf(look(0, silent), look(3_000, { ...silent, bytes: 2000 })), 'waiting');
  });

  it('is after a minute where nobody closed it', () => {
    const open = { isClosed: false };
    assert.equal(stateOf(look(0, open), look(59_000, open)), 'waiting');
    assert.equal(stateOf(look(0, open), look(60_000, open)), 'complete');
    assert.equal(stateOf(look(0, open), look(60_000)), 'waiting');
  });

  it('is waited for a quarter of an hour, then looked for rarely, and after a week no more', () => {
    const minute = 60_000;
    assert.equal(stateOf(null, null, 14.9 * minute), 'waiting');
    assert.deepEqual(judgeFile(null, null, 15 * minute), {
      state: 'missing',
      reason: 'there is no file',
      lookAgainMs: 60 * minute,
    });
    const silent = look(0, { hasSound: false });
    assert.equal(stateOf(silent, silent, 14.9 * minute), 'waiting');
    assert.equal(stateOf(silent, silent, 15 * minute), 'empty');
    const longAgo = judgeFile(null, null, 8 * 24 * 60 * minute);
    assert.equal('lookAgainMs' in longAgo && longAgo.lookAgainMs, null);
  });

  it('is looked for a few times alone where nobody announced it, and once a day after', () => {
    const day = 24 * 60 * 60_000;
    const looksWithin = (ms: number, isAnnounced: boolean) => {
      let looks = 0;
      for (let at: number | null = 0; at !== null && at <= ms; looks++) {
        const judgement = judgeFile(null, null, at, isAnnounced);
        at = 'lookAgainMs' in judgement && judgement.lookAgainMs !== null ? at + judgement.lookAgainMs : null;
      }
      return looks;
    };
    assert.ok(looksWithin(15 * 60_000 - 1, false) <= 30, String(looksWithin(15 * 60_000 - 1, false)));
    assert.equal(looksWithin(9 * day, false) - looksWithin(15 * 60_000 - 1, false), 8);
    assert.ok(looksWithin(9 * day, true) > 200);
    // What is there is looked at like any other.
    const silent = look(0, { hasSound: false });
    assert.deepEqual(judgeFile(silent, silent, day, false), judgeFile(silent, silent, day, true));
  });

  it('is looked for often at first: a usual recording is found within a second', () => {
    let sinceEndMs = 0;
    const looks: number[] = [];
    while (sinceEndMs < 15 * 60_000) {
      looks.push(sinceEndMs);
      const judgement = judgeFile(null, null, sinceEndMs);
      sinceEndMs += 'lookAgainMs' in judgement ? judgement.lookAgainMs! : NaN;
    }
    assert.ok(looks.filter((at) => at <= 10_000).every((at, index) => at <= index * 500));
    assert.ok(looks.length < 120, `${looks.length} looks`);
  });
});

describe('how long a recording is kept', () => {
  const recording = {
    direction: 'inbound',
    extension: '101',
    did: '7000001',
    startedAt: new Date('2026-01-01T00:00:00Z'),
  } as const;
  const none = { directions: null, extensions: null, dids: null };

  it('is said by the first rule that fits, else by the days for all', () => {
    assert.equal(keepUntil({ days: null, rules: [] }, recording), null);
    assert.deepEqual(keepUntil({ days: 31, rules: [] }, recording), new Date('2026-02-01T00:00:00Z'));
    const rules = [
      { ...none, days: 1, directions: ['internal' as const] },
      { ...none, days: null, extensions: ['101', '102'] },
      { ...none, days: 2, dids: ['7000001'] },
    ];
    assert.equal(keepUntil({ days: 31, rules }, recording), null);
    assert.deepEqual(
      keepUntil({ days: 31, rules }, { ...recording, extension: '105' }),
      new Date('2026-01-03T00:00:00Z'),
    );
    assert.deepEqual(
      keepUntil({ days: 31, rules }, { ...recording, extension: null, did: null }),
      new Date('2026-02-01T00:00:00Z'),
    );
  });
});
