import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replayCalls } from '../../src/cli/replay.ts';
import type { Call } from '../../src/core/call.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { readCapture } from '../../src/pbx/asterisk/capture.ts';
import { describeCall, differences } from '../support/expectation.ts';
import type { ExpectedCall } from '../support/lab/story.ts';
import { diceOfThisRun, shuffled } from '../support/random-seed.ts';
import { silentLog } from '../support/silent-log.ts';

const folder = dirname(fileURLToPath(import.meta.url));
interface StoryFile {
  readonly title: string;
  readonly employees?: readonly { readonly mobile: string }[];
  readonly expect: readonly ExpectedCall[];
}

const stories = readdirSync(folder)
  .filter((name) => existsSync(join(folder, name, 'story.json')))
  .map((name) => ({ name, ...(JSON.parse(readFileSync(join(folder, name, 'story.json'), 'utf8')) as StoryFile) }));

async function replay(streams: readonly AsyncIterable<readonly PbxEvent[]>[], story: StoryFile): Promise<Call[]> {
  const mobiles = new Set(story.employees?.map((employee) => employee.mobile));
  const config = numberingConfig.parse({ country: 'RU', trunks: ['provider'], extensions: ['_1XX'] });
  const plan = createNumberPlan(config, undefined, (number) => mobiles.has(number));
  const calls: Call[] = [];
  for await (const call of replayCalls(streams, { plan, log: silentLog, screen: () => null, keepsInternal: true }))
    calls.push(call);
  return calls;
}
const read = (path: string) => readCapture(path, { source: 'pbx', timeZone: 'UTC' });

const shufflesOfEach = 4;

async function toldBy(path: string): Promise<PbxEvent[]> {
  if (statSync(path).size === 0) return [];
  const events: PbxEvent[] = [];
  for await (const batch of read(path)) events.push(...batch);
  return events;
}
async function* once(events: readonly PbxEvent[]) {
  yield events;
}

/**
 * What CEL does not tell: the id of a click-to-call request, its number when nobody was called, whether a message
 * was left and where. */
function withoutLiveFacts(story: StoryFile & { readonly name: string }): StoryFile {
  const expect = story.expect.map((call) => ({
    ...call,
    ...(story.name.startsWith('click-to-call-employee-') ? { client: null } : {}),
    ...(story.name === 'voicemail-without-message' ? { result: 'voicemail' as const } : {}),
    conversations: call.conversations.map(({ requestId: _, ...conversation }) => ({
      ...conversation,
      ...(story.name === 'voicemail' ? { hasRecording: false } : {}),
      ...(story.name === 'voicemail-without-message' ? { result: 'voicemail' as const } : {}),
    })),
  }));
  return { ...story, expect };
}

const clicksWithoutClient = new Set(['click-to-call-client-busy', 'click-to-call-trunk-gone']);
/** What only the rows of applications tell: MixMonitor's file, and the number of a click of which nothing came. */
function withoutApplications(story: StoryFile & { readonly name: string }): StoryFile {
  const expect = withoutLiveFacts(story).expect.map((call) => ({
    ...call,
    ...(clicksWithoutClient.has(story.name) ? { client: null } : {}),
    conversations: call.conversations.map(({ hasRecording: _, ...conversation }) => conversation),
  }));
  return { ...story, expect };
}

function withoutSpans(story: StoryFile): StoryFile {
  const expect = story.expect.map((call) => ({
    ...call,
    conversations: call.conversations.map(({ duration: _, waiting: __, ...conversation }) => conversation),
  }));
  return { ...story, expect };
}

/**
 * CDR has no causes (NO ANSWER stands for a number that does not exist, a refusal and a caller who gives up), and takes
 * whoever is bridged for the one who answered.
 */
const hiddenFromCdr = new Set([
  'follow-me-not-taken',
  'outbound-cancelled',
  'outbound-not-found',
  'outbound-rejected',
  'pickup-from-queue',
]);
function whatCdrTells(story: StoryFile & { readonly name: string }): StoryFile {
  const expect = withoutSpans(withoutLiveFacts(story)).expect.map(({ did: _, ...call }) => ({
    ...call,
    conversations: call.conversations.map(({ hasRecording: __, ...conversation }) => conversation),
  }));
  return { ...story, expect };
}

const temporaryFolder = mkdtempSync(join(tmpdir(), 'ringledger-scenarios-'));
let temporaryCount = 0;
function temporary(text: string): string {
  const path = join(temporaryFolder, String(++temporaryCount));
  writeFileSync(path, text, 'latin1');
  return path;
}

function check(calls: readonly Call[], story: StoryFile) {
  const faults = differences(calls, story.expect);
  assert.deepEqual(faults, [], `${faults.join('\n')}\n${calls.map(describeCall).join('\n')}`);
}

describe('recorded stories', () => {
  after(() => rmSync(temporaryFolder, { recursive: true }));
  for (const story of stories) {
    for (const release of ['asterisk-22', 'asterisk-16', 'asterisk-16-chan-sip']) {
      const captures = join(folder, story.name, release);
      if (!existsSync(captures)) continue;
      const file = (name: string) => join(captures, name);
      describe(`${story.name} on ${release}: ${story.title}`, () => {
        it('is understood from AMI', async () => check(await replay([read(file('ami.log'))], story), story));
        // An unregistered phone leaves no CDR at all with `unanswered = no`.
        if (!hiddenFromCdr.has(story.name) && statSync(file('cdr.csv')).size > 0) {
          it('is understood from CDR as far as CDR tells it', async () =>
            check(await replay([read(file('cdr.csv'))], story), whatCdrTells(story)));
          it('is understood from CDR without linkedid (newcdrcolumns = no)', async () => {
            const short = readFileSync(file('cdr.csv'), 'utf8').replaceAll(/,"[^"]*","[\d.]+",\d+$/gm, '');
            assert.notEqual(short, readFileSync(file('cdr.csv'), 'utf8'));
            check(await replay([read(temporary(short))], story), whatCdrTells(story));
          });
        }
        it('is understood from CEL', async () =>
          check(await replay([read(file('cel.csv'))], story), withoutLiveFacts(story)));
        it('is understood from CEL without rows of applications (no apps in cel.conf)', async () => {
          const bare = readFileSync(file('cel.csv'), 'utf8').replaceAll(/^"APP_(?:START|END)".*\n/gm, '');
          check(await replay([read(temporary(bare))], story), withoutApplications(story));
        });
        it('is understood where phones are named after their extension and more (101-desk)', async () => {
          for (const name of ['ami.log', 'cel.csv']) {
            const renamed = readFileSync(file(name), 'latin1').replaceAll(
              /(?<=\b(?:PJSIP|SIP)\/)(1\d\d)\b/g,
              '$1-desk',
            );
            const withoutCallerIds = renamed.replaceAll(/^CallerIDNum: 1\d\d\r$/gm, 'CallerIDNum: <unknown>\r');
            const expected = name === 'ami.log' ? story : withoutLiveFacts(story);
            check(await replay([read(temporary(withoutCallerIds))], story), expected);
          }
        });
        it('is understood from AMI without times (timestampevents = no), but for how long things took', async () => {
          const untimed = readFileSync(file('ami.log'), 'latin1').replaceAll(/^Timestamp: .*\r\n/gm, '');
          check(await replay([read(temporary(untimed))], story), withoutSpans(story));
        });
        it('is understood from CEL in whole seconds', async () => {
          const whole = readFileSync(file('cel.csv'), 'utf8').replaceAll(/^("[A-Z_]+","\d{10})\.\d{6}"/gm, '$1"');
          check(await replay([read(temporary(whole))], story), withoutSpans(withoutLiveFacts(story)));
        });
        it('is understood from CEL as well when CDR tells it too', async () => {
          const names = ['cel.csv', 'cdr.csv'].filter((name) => statSync(file(name)).size > 0);
          check(
            await replay(
              names.map((name) => read(file(name))),
              story,
            ),
            withoutLiveFacts(story),
          );
        });
        it('stays the same when AMI, CEL and CDR all tell it', async () => {
          const names = ['ami.log', 'cel.csv', 'cdr.csv'].filter((name) => statSync(file(name)).size > 0);
          check(
            await replay(
              names.map((name) => read(file(name))),
              story,
            ),
            story,
          );
        });
        it('does not depend on the order of events, nor on how often they are told', async () => {
          const dice = diceOfThisRun();
          const [ami, cel, cdr] = await Promise.all(
            ['ami.log', 'cel.csv', 'cdr.csv'].map((name) => toldBy(file(name))),
          );
          const mixes = { AMI: [ami], CEL: [cel], CDR: [cdr], 'AMI and CEL': [ami, cel], 'CEL and CDR': [cel, cdr] };
          for (const [mix, told] of Object.entries({ ...mixes, 'all three': [ami, cel, cdr] })) {
            const events = told.flatMap((one) => one!);
            const inOrder = await replay([once(events)], story);
            for (let round = 0; round < shufflesOfEach; round++) {
              const again = events.filter(() => dice() < 0.1);
              const calls = await replay([once(shuffled([...events, ...again], dice))], story);
              // Not deepEqual: node takes minutes to print the difference of two large calls.
              const isSame = JSON.stringify(calls) === JSON.stringify(inOrder);
              assert.ok(isSame, `${mix}, shuffle ${round + 1}:\n${calls.map(describeCall).join('\n')}`);
            }
          }
        });
      });
    }
  }
});
