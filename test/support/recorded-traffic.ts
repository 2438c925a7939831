/** The recorded stories as traffic that can be played again: in any disorder, or as new calls with identities of their own. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../src/core/call.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import type { NumberPlan } from '../../src/core/ports.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import type { AmiMessage } from '../../src/pbx/asterisk/ami/ami-message.ts';
import { AmiParser } from '../../src/pbx/asterisk/ami/ami-parser.ts';
import { CelLayout, recogniseCelColumns, translateCel } from '../../src/pbx/asterisk/csv/cel-row.ts';
import { CsvFramer, type CsvRecord } from '../../src/pbx/asterisk/csv/csv-record.ts';
import { LocalTime } from '../../src/pbx/asterisk/csv/local-time.ts';
import { AmiTranslator } from '../../src/pbx/asterisk/translate.ts';
import { scenariosFolder } from './lab/capture.ts';

export interface RecordedStory {
  readonly name: string;
  readonly release: string;
  /** AMI messages, each with the empty line that ends it, as latin1 text: one character per byte. */
  readonly ami: readonly string[];
  /** CEL rows with their line breaks, as latin1 text. */
  readonly cel: readonly string[];
  /** Mobiles of employees that the story depends on. */
  readonly mobiles: readonly string[];
}

export const releases = ['asterisk-22', 'asterisk-16'] as const;

/** The stories in the order of their names, as one release of Asterisk reported them. */
export function readRecordedStories(release: (typeof releases)[number]): RecordedStory[] {
  return readdirSync(scenariosFolder)
    .filter((name) => existsSync(join(scenariosFolder, name, release, 'ami.log')))
    .map((name) => {
      const read = (file: string) => readFileSync(join(scenariosFolder, name, release, file), 'latin1');
      const story = JSON.parse(readFileSync(join(scenariosFolder, name, 'story.json'), 'utf8')) as {
        employees?: readonly { readonly mobile: string }[];
      };
      return {
        name,
        release,
        // The greeting and the answer to the login stand before the first event.
        ami: read('ami.log')
          .split('\r\n\r\n')
          .filter((message) => message.includes('Event: '))
          .map((message) => `${message}\r\n\r\n`),
        cel: read('cel.csv')
          .split('\n')
          .filter((row) => row !== '')
          .map((row) => `${row}\n`),
        mobiles: story.employees?.map((employee) => employee.mobile) ?? [],
      };
    });
}

/** The numbering of the laboratory that the stories were recorded in. */
export function labNumbering(mobiles: readonly string[]): NumberPlan {
  const config = numberingConfig.parse({ country: 'RU', trunks: ['provider'], extensions: ['_1XX'] });
  return createNumberPlan(config, undefined, (number) => mobiles.includes(number));
}

export function amiEvents(messages: readonly string[]): PbxEvent[] {
  const translator = new AmiTranslator({ source: 'pbx', now: null, time: new LocalTime('UTC') });
  const parsed: AmiMessage[] = [];
  new AmiParser().push(Buffer.from(`Asterisk Call Manager/11.0.0\r\n${messages.join('')}`, 'latin1'), parsed);
  const events: PbxEvent[] = [];
  for (const message of parsed) translator.translate(message, events);
  return events;
}

export function celEvents(rows: readonly string[]): PbxEvent[] {
  const records: CsvRecord[] = [];
  new CsvFramer().push(Buffer.from(rows.join(''), 'latin1'), records);
  const time = new LocalTime('UTC');
  const columns = recogniseCelColumns(
    records.map((record) => record.fields),
    time,
  );
  if (columns === null) return [];
  const layout = new CelLayout(columns, time);
  const events: PbxEvent[] = [];
  for (const { fields } of records) {
    const record = layout.read(fields);
    if (record !== null) translateCel('pbx', record, events);
  }
  return events;
}

/**
 * The same calls once more as other calls: ids, channel names and bridges of their own, clients with other numbers, and
 * all times later by so many whole seconds. `serial` (1–899) is different for each playing.
 */
export function retell(story: RecordedStory, { serial, laterS }: { serial: number; laterS: number }): RecordedStory {
  const rewrite = (text: string) =>
    text
      .replace(/[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/g, (part) =>
        ((parseInt(part, 16) ^ (serial << 16)) >>> 0).toString(16).padStart(8, '0'),
      )
      .replace(
        /-([0-9a-f]{8})(?![0-9a-f])/g,
        (_, suffix: string) => `-${(parseInt(suffix, 16) + serial * 0x1000).toString(16).padStart(8, '0')}`,
      )
      // A time has six decimals, an id the number of the channel.
      .replace(/(?<!\d)(179\d{7})\.(\d{1,6})(?!\d)/g, (_, seconds: string, rest: string) =>
        rest.length === 6 ? `${+seconds + laterS}.${rest}` : `${+seconds + laterS}.${+rest + serial * 10_000}`,
      )
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, (time) =>
        new Date(Date.parse(`${time}Z`) + laterS * 1000).toISOString().slice(0, 19).replace('T', ' '),
      )
      .replace(/(?<=916)111(?=\d{4})/g, String(100 + serial));
  return { ...story, ami: story.ami.map(rewrite), cel: story.cel.map(rewrite), mobiles: story.mobiles.map(rewrite) };
}

/** When the message or row was written, in milliseconds since the epoch. */
export function timeOfTraffic(text: string): number {
  const found = /^Timestamp: (\d+\.\d+)/m.exec(text) ?? /^"[A-Z_]+","(\d+\.\d+)"/.exec(text);
  if (found === null) throw new Error(`no time in ${text}`);
  return Number(found[1]) * 1000;
}

/** A call in the facts that all readers know, its times set apart. */
export function describeFacts(call: Call): { readonly facts: object; readonly times: readonly number[] } {
  const times = [call.startedAt, call.endedAt];
  const conversations = call.conversations.map((one) => {
    times.push(one.requestedAt, one.answeredAt, one.endedAt);
    const { requestedAt, answeredAt, endedAt, duration, waiting, ...facts } = one;
    return { ...facts, isAnswered: answeredAt !== null, isEnded: endedAt !== null };
  });
  const { startedAt, endedAt, queue, ...facts } = call;
  if (queue !== null) times.push(queue.joinedAt, queue.leftAt);
  return {
    facts: { ...facts, isEnded: endedAt !== null, queue: queue?.name ?? null, conversations },
    times: times.map((at) => at?.getTime() ?? 0),
  };
}

/**
 * What only AMI tells, and what is therefore lost with the one event that says it: whether a phone that rang in vain was
 * given up by the caller or by its own time (DialEnd; CEL's HANGUP row of a dialled channel has no dial status), and
 * whether the caller left a message in the mailbox and where (MessageWaiting, VM_MESSAGEFILE).
 */
export function withoutAmiAlone(calls: readonly Call[]): Call[] {
  const ofMailbox = (one: { result: string }) => ['voicemail', 'missed'].includes(one.result);
  return calls.map((call) => ({
    ...call,
    result: ofMailbox(call) ? 'missed' : call.result,
    conversations: call.conversations.map((one) => {
      if (!one.registered && one.result === 'cancelled') return { ...one, result: 'no_answer' as const };
      return ofMailbox(one) ? { ...one, result: 'missed' as const, recording: null } : one;
    }),
  }));
}

/**
 * Who dialled a phone that rang in vain or was consulted, so whether it rang elsewhere or was a consultation, only AMI tells, by the
 * one DialBegin of that phone. Neither is registered, so no CRM hears of the difference.
 */
export function withoutDialler(calls: readonly Call[]): Call[] {
  const unregistered = {
    reason: 'rang_elsewhere',
    result: 'no_answer',
    answeredAt: null,
    waiting: 0,
    recording: null,
  } as const;
  return calls.map((call) => ({
    ...call,
    conversations: call.conversations.map((one) =>
      one.reason === 'consultation' || one.reason === 'rang_elsewhere' ? { ...one, ...unregistered } : one,
    ),
  }));
}

/** How far the same moment may be apart as AMI and as CEL write it. */
export const apartMs = 20;
