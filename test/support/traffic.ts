/**
 * A busy PBX made out of the recorded stories: each is played again and again with ids, channel names, bridges, client
 * numbers and times of its own, so that many calls overlap and no two are the same.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import type { NumberPlan } from '../../src/core/ports.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import type { AmiMessage } from '../../src/pbx/asterisk/ami/ami-message.ts';
import { AmiParser } from '../../src/pbx/asterisk/ami/ami-parser.ts';
import { CelLayout, sampleCelColumns, translateCel } from '../../src/pbx/asterisk/csv/cel-row.ts';
import { CsvFramer, type CsvRecord } from '../../src/pbx/asterisk/csv/csv-record.ts';
import { LocalTime } from '../../src/pbx/asterisk/csv/local-time.ts';
import { AmiTranslator } from '../../src/pbx/asterisk/translate.ts';

export type TrafficKind = 'ami' | 'cel';

/** One recorded story, cut so that it can be played with other ids. */
export interface Story {
  readonly name: string;
  /** How many calls the ledger has of it. */
  readonly calls: number;
  /** The second in which it was recorded to begin. */
  readonly second: number;
  readonly messages: readonly Message[];
}

interface Message {
  /** Milliseconds after that second. */
  readonly afterMs: number;
  /** Fixed text, and between it what is different each time. */
  readonly parts: readonly (string | Changing)[];
}
type Changing = (play: Play) => string;

interface Play {
  readonly index: number;
  readonly shiftSeconds: number;
}

/** Times have six digits behind the point, uniqueids a count that is written without leading zeros. */
const changing = new RegExp(
  [
    /(?<time>\d{10}\.\d{6})\b/,
    /(?<id>\d{10}\.\d+)/,
    /(?<bridge>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/,
    /-(?<channel>[0-9a-f]{8})(?![0-9a-f-])/,
    /(?<date>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)/,
    /(?<client>7916111)(?=\d{4})/,
  ]
    .map((part) => part.source)
    .join('|'),
  'g',
);
/** More channels than any story has. */
const channelsPerPlay = 1_000;

function toChanging(groups: Record<string, string | undefined>): Changing {
  const { time, id, bridge, channel, date, client } = groups;
  if (time !== undefined || id !== undefined) {
    const [seconds = '', behind = ''] = (time ?? id)!.split('.');
    if (time !== undefined) return (play) => `${Number(seconds) + play.shiftSeconds}.${behind}`;
    return (play) => `${Number(seconds) + play.shiftSeconds}.${play.index * channelsPerPlay + Number(behind)}`;
  }
  if (bridge !== undefined) return (play) => toHex(play.index) + bridge.slice(8);
  if (channel !== undefined) {
    const number = parseInt(channel, 16);
    return (play) => `-${toHex((play.index * channelsPerPlay + number) % 2 ** 32)}`;
  }
  if (date !== undefined) {
    const at = Date.parse(`${date}Z`);
    return (play) => new Date(at + play.shiftSeconds * 1_000).toISOString().slice(0, 19).replace('T', ' ');
  }
  return (play) => `7916${String(100 + (play.index % 900))}${client!.slice(7)}`;
}
const toHex = (number: number) => number.toString(16).padStart(8, '0');

function cut(text: string): (string | Changing)[] {
  const parts: (string | Changing)[] = [];
  let end = 0;
  for (const match of text.matchAll(changing)) {
    parts.push(text.slice(end, match.index), toChanging(match.groups!));
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

interface StoryFile {
  readonly expect: readonly unknown[];
  readonly employees?: unknown;
}
const scenarios = join(dirname(fileURLToPath(import.meta.url)), '..', 'scenarios');

/** The recorded stories. AMI as an unfiltered session sees it, CEL as `cel_custom` writes it. */
export function readStories(kind: TrafficKind): Story[] {
  const stories: Story[] = [];
  for (const name of readdirSync(scenarios).sort()) {
    const file = join(scenarios, name, 'asterisk-22', kind === 'ami' ? 'ami.log' : 'cel.csv');
    if (!existsSync(file)) continue;
    const { expect, employees } = JSON.parse(readFileSync(join(scenarios, name, 'story.json'), 'utf8')) as StoryFile;
    // Their numbers are known to be employees' own, and here every number is another each time.
    if (employees !== undefined) continue;
    const text = readFileSync(file, 'utf8');
    const texts =
      kind === 'ami'
        ? text
            .split('\r\n\r\n')
            .filter((message) => message.startsWith('Event: '))
            .map((message) => `${message}\r\n\r\n`)
        : text
            .split('\n')
            .filter((row) => row !== '')
            .map((row) => `${row}\n`);
    const timeOf = (message: string) => Math.round(Number(/\d{10}\.\d{6}\b/.exec(message)![0]) * 1_000);
    const second = Math.floor(Math.min(...texts.map(timeOf)) / 1_000);
    const messages = texts.map((message) => ({ afterMs: timeOf(message) - second * 1_000, parts: cut(message) }));
    stories.push({ name, calls: expect.length, second, messages });
  }
  return stories;
}

/** When all played traffic begins. */
export const firstSecond = 1_795_250_000;

/**
 * The traffic of at least `calls` calls, in the order of time; each text is one second of it. `storiesPerSecond` stories
 * begin in each second and last some ten, which says how many calls overlap.
 */
export function* playTraffic(traffic: {
  readonly stories: readonly Story[];
  readonly calls: number;
  readonly storiesPerSecond: number;
  /** How much later it begins than other traffic of the same PBX. */
  readonly afterSeconds?: number;
}): Generator<string> {
  const { stories, calls, storiesPerSecond, afterSeconds = 0 } = traffic;
  const seconds = new Map<number, { at: number; message: Message; play: Play }[]>();
  let begun = 0;
  for (let index = 0, second = 0; begun < calls || seconds.size > 0; second++) {
    for (let n = 0; n < storiesPerSecond && begun < calls; n++, index++) {
      const story = stories[index % stories.length]!;
      const play = { index: index + 1, shiftSeconds: firstSecond + afterSeconds + second - story.second };
      for (const message of story.messages) {
        const at = second * 1_000 + message.afterMs;
        const list = seconds.get(Math.floor(at / 1_000));
        if (list === undefined) seconds.set(Math.floor(at / 1_000), [{ at, message, play }]);
        else list.push({ at, message, play });
      }
      begun += story.calls;
    }
    const due = seconds.get(second);
    if (due === undefined) continue;
    seconds.delete(second);
    let text = '';
    for (const { message, play } of due.sort((a, b) => a.at - b.at))
      for (const part of message.parts) text += typeof part === 'string' ? part : part(play);
    yield text;
  }
}

/** The numbering of the office in which the stories were recorded. */
export function trafficPlan(): NumberPlan {
  return createNumberPlan(numberingConfig.parse({ country: 'RU', trunks: ['provider'], extensions: ['_1XX'] }));
}

/** From played bytes to events, piece by piece, as the session or the reader of a file does it. */
export function createTrafficReader(kind: TrafficKind): (piece: Buffer) => readonly PbxEvent[] {
  const time = new LocalTime('UTC');
  if (kind === 'ami') {
    const parser = new AmiParser();
    const translator = new AmiTranslator({ source: 'office', now: null, time });
    return (piece) => {
      const messages: AmiMessage[] = [];
      const events: PbxEvent[] = [];
      parser.push(piece, messages);
      for (const message of messages) translator.translate(message, events);
      return events;
    };
  }
  const framer = new CsvFramer();
  const layout = new CelLayout(sampleCelColumns, time);
  return (piece) => {
    const rows: CsvRecord[] = [];
    const events: PbxEvent[] = [];
    framer.push(piece, rows);
    for (const row of rows) {
      const record = layout.read(row.fields);
      if (record !== null) translateCel('office', record, events);
    }
    return events;
  };
}
