import assert from 'node:assert/strict';
import fc from 'fast-check';
import { agiServerConfig } from '../../agi/config.ts';
import { createRoutes, type AgiHandler } from '../../agi/routes.ts';
import { AgiServer } from '../../agi/server.ts';
import { UnsafeCommand } from '../../agi/session.ts';
import { answerVariables } from '../../agi/variables.ts';
import type { ContactSource } from '../../src/core/contact-search.ts';
import { samplesOfThisRun } from '../support/random-seed.ts';
import { askAgi, parseAgiCommand, type AgiOutcome } from '../support/agi-client.ts';
import { contactOf, createTestLookup, employeeOf } from '../support/caller-lookup.ts';
import { silentLog } from '../support/silent-log.ts';

const runs = 100_000;
/** Of questions, each with eight generated texts. */
const questions = 25_000;

const hostile = fc.constantFrom(
  ...['"', '\\', '\\"', "'", ',', ';', '|', '&', '\n', '\r\n', '\r', '\0', '\n\n', ' ', '\t', ':', '(', ')', '<', '>'],
  ...['${EXTEN}', '$[1+1]', '${SHELL(id)}', '"\nEXEC System "id', '\nHANGUP\n', '200 result=1\n', '520-', '`id`', '%s'],
  ...[
    'ё',
    'й',
    'Ц',
    '«',
    '»',
    '👨‍👩‍👧',
    '\ud83d',
    '\u202e',
    '\u2028',
    '\ufeff',
    '\u0301',
    'x'.repeat(300),
    'я'.repeat(1100),
  ],
);
const text = fc.oneof(
  fc.array(fc.oneof(hostile, fc.string({ maxLength: 8 })), { maxLength: 6 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);
const number = fc.oneof(fc.stringMatching(/^[+0-9()# -]{0,20}$/), fc.stringMatching(/^(\+7|8|7|0079|)9\d{9}$/), text);

describe('any name, number and head, over a real socket', function () {
  this.timeout(300_000);
  let server: AgiServer;
  afterEach(() => server.stop(0));

  async function start(routes: ReadonlyMap<string, AgiHandler>): Promise<void> {
    const config = agiServerConfig.parse({ port: 0, sessionDeadlineMs: 60_000 });
    server = new AgiServer({ config, routes, log: silentLog });
    await server.start();
  }

  /** Plays so many sessions, some at once, and checks each. */
  async function playAll(count: number, play: (index: number) => Promise<void>): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < count) await play(next++);
    };
    await Promise.all(Array.from({ length: 32 }, work));
  }

  it(`sends ${runs} values exactly as they are, or refuses them and sends nothing`, async () => {
    const values = samplesOfThisRun(fc.oneof(text, number), runs);
    const perSession = 1000;
    const issued = new Map<number, string[]>();
    await start(
      new Map([
        [
          'values',
          async (session) => {
            const first = Number(session.request.args[0]);
            const sent: string[] = [];
            issued.set(first, sent);
            for (const value of values.slice(first, first + perSession)) {
              try {
                await session.setVariable('CALLERID(name)', value);
                sent.push(value.toString());
              } catch (error) {
                assert.ok(error instanceof UnsafeCommand, String(error));
                const isTooLong = Buffer.byteLength(value) > 1900;
                assert.ok(/[\r\n\0]/.test(value) || isTooLong, `refused ${JSON.stringify(value)}`);
              }
            }
          },
        ],
      ]),
    );
    let sentInAll = 0;
    await playAll(runs / perSession, async (index) => {
      const first = index * perSession;
      const { lines } = await askAgi({ port: server.port, script: 'values', args: [String(first)] });
      const expected = issued
        .get(first)!
        .map((value) => ['SET', 'VARIABLE', 'CALLERID(name)', Buffer.from(value).toString()]);
      assert.deepEqual(lines.map(parseAgiCommand), expected, `values from ${first}`);
      sentInAll += lines.length;
    });
    assert.ok(sentInAll > runs / 2 && sentInAll < runs, `${sentInAll} of ${runs} were sent`);
    assert.equal(server.status()[0]!['failed'], 0);
  });

  it(`answers ${questions} questions of any kind with nothing but well-formed answers`, async () => {
    const known = new Set<string>(['CALLERID(name)', ...Object.values(answerVariables)]);
    const cases = samplesOfThisRun(
      fc.record({
        name: text,
        number,
        did: text,
        callerName: text,
        id: fc.oneof(fc.constant('7'), text),
        extension: fc.oneof(fc.constant('101'), text),
      }),
      questions,
    );
    let current = 0;
    const crm: ContactSource = {
      name: 'crm',
      mirror: null,
      findContact: async (asked) => {
        const { name, id } = cases[(current += 1) % questions]!;
        return contactOf({ id, name, company: name, numbers: [asked] });
      },
    };
    const employees = [
      employeeOf({ id: '1', extensions: ['101'], deputies: ['2', '3'] }),
      employeeOf({ id: '2', extensions: ['500&SIP/itsp/1416'] }),
      employeeOf({ id: '3', extensions: ['103'] }),
    ];
    const lookup = createTestLookup({ sources: [crm], employees });
    await start(createRoutes({ lookup, keepsExistingName: true }));
    const statuses = new Map<string, number>();
    await playAll(questions, async (index) => {
      const { number: callerNumber, did, callerName, extension } = cases[index]!;
      const script = index % 4 === 0 ? 'caller-name' : 'distribute';
      const outcome: AgiOutcome = await askAgi({
        port: server.port,
        script: index % 5 === 0 ? `${script}?did=${encodeURIComponent(did.replace(/\p{Surrogate}/gu, ''))}` : script,
        args: [callerNumber, did, 'provider', extension],
        head: { agi_calleridname: callerName },
      });
      for (const [line, words] of outcome.lines.map((line, at) => [line, outcome.commands[at]!] as const)) {
        assert.equal(words.length, 4, `${line}, case ${index}`);
        assert.ok(words[0] === 'SET' && words[1] === 'VARIABLE' && known.has(words[2]!), line);
        assert.match(line, /^SET VARIABLE [\w()]+ "[^"`\\$;|{}<>\p{Cc}]*"$/u, `case ${index}`);
      }
      const status = outcome.variables['RL_STATUS'];
      if (status === undefined) {
        // A line break in the head that says HANGUP is a hang-up; nothing else may leave a question without an answer.
        assert.match([callerNumber, did, callerName, extension].join('\n'), /\nHANGUP\n/, `case ${index}`);
        return;
      }
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    });
    assert.deepEqual([...statuses.keys()].sort(), ['FOUND', 'NOT_FOUND'], JSON.stringify([...statuses]));
  });
});
