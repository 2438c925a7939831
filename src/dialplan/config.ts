import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';
import { findContradictions } from './contradictions.ts';
import { valueKinds, type ValueKindName } from './values.ts';

const of = (kind: ValueKindName) =>
  z.string().refine((text) => valueKinds[kind].accepts(text), { error: `must be ${valueKinds[kind].form}` });
const seconds = (longest: number) => z.int().min(1).max(longest);
const path = () =>
  z.string().refine((text) => isAbsolute(text) && normalize(text) === text && !/[\0-\x1f]/.test(text), {
    error: 'must be an absolute path without . and ..',
  });

const targetKinds = [
  'extension',
  'group',
  'menu',
  'schedule',
  'queue',
  'voicemail',
  'playback',
  'context',
  'hangup',
] as const;
export type TargetKind = (typeof targetKinds)[number];

/** A target taken apart; `value` is empty for `hangup`. */
export interface WrittenTarget {
  readonly kind: TargetKind;
  readonly value: string;
}

/** Takes `kind:value` apart. Throws an `Error` that says what is wrong with it. */
export function parseTarget(text: string): WrittenTarget {
  const [, word = '', value = ''] = /^([a-z]+)(?::(.*))?$/s.exec(text) ?? [];
  const kind = targetKinds.find((known) => known === word);
  if (kind === undefined) {
    throw new Error(`must be hangup or one of ${targetKinds.slice(0, -1).join(', ')} followed by : and a name`);
  }
  const refuse = (name: ValueKindName) => {
    if (!valueKinds[name].accepts(value)) throw new Error(`${kind}: must be followed by ${valueKinds[name].form}`);
  };
  if (kind === 'hangup') {
    if (text !== 'hangup') throw new Error('hangup stands alone');
  } else if (kind === 'extension') refuse('extension');
  else if (kind === 'voicemail') refuse('mailbox');
  else if (kind === 'playback') refuse('sound');
  else if (kind === 'context') {
    const parts = value.split(',');
    const [context = '', exten = '', priority = '1'] = parts;
    const isRight =
      parts.length >= 2 &&
      parts.length <= 3 &&
      valueKinds.context.accepts(context) &&
      valueKinds.destination.accepts(exten) &&
      (/^[1-9][0-9]{0,3}$/.test(priority) || valueKinds.name.accepts(priority));
    if (!isRight) throw new Error('context: must be followed by context,extension or context,extension,priority');
  } else refuse('name');
  return { kind, value };
}

const target = z.string().superRefine((text, context) => {
  try {
    parseTarget(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
});

/** `PJSIP/{extension}`, `PJSIP/{number}@provider`: one placeholder between a device and its end. */
const deviceTemplate = (placeholder: 'extension' | 'number', isOptional: boolean) =>
  z.string().refine(
    (text) => {
      const parts = text.split(`{${placeholder}}`);
      const [start = '', end = ''] = parts;
      if (parts.length > 2 || (parts.length === 1 && !isOptional)) return false;
      return valueKinds.device.accepts(start) && valueKinds.deviceEnd.accepts(end);
    },
    { error: `must be a dial string such as PJSIP/{${placeholder}}${placeholder === 'number' ? '@provider' : ''}` },
  );

const forwardConfig = z.strictObject({
  to: of('number').describe('The mobile'),
  when: z
    .enum(['always', 'no-answer'])
    .default('no-answer')
    .describe('no-answer: after the phone was busy, silent or unreachable'),
  trunk: of('name').nullable().default(null).describe('Null: the first trunk'),
  ringSeconds: seconds(300).default(25),
});

const extensionConfig = z.strictObject({
  extension: of('extension'),
  device: deviceTemplate('extension', true).nullable().default(null).describe('Null: as dialplan.device says'),
  forward: forwardConfig.nullable().default(null),
  mailbox: of('mailbox').nullable().default(null).describe('Used when the extension is a target and nobody answers'),
});

const trunkConfig = z.strictObject({
  name: of('name'),
  device: deviceTemplate('number', false).describe('PJSIP/{number}@provider'),
  callerId: of('number').nullable().default(null).describe('The number that the provider lets us show'),
  rewrite: z
    .array(z.strictObject({ from: of('number'), to: of('number').or(z.literal('')) }))
    .max(20)
    .default([])
    .describe('How numbers must begin for this provider; the first that fits: {from: "+7", to: "8"}'),
});

const inboundNumber = z.strictObject({
  number: of('extenOrPattern').describe('The DID as the trunk sends it'),
  trunk: of('name').nullable().default(null).describe('Told to the lookup; null: taken from the channel'),
  distribute: z.boolean().default(true).describe('Ask who should get the call'),
  record: z.boolean().nullable().default(null).describe('Null: as recording.inbound says'),
  defaultRoute: target.nullable().default(null).describe('Null: as inbound.defaultRoute says'),
});

const outboundRoute = z.strictObject({
  pattern: of('extenOrPattern'),
  strip: z.int().min(0).max(20).default(0).describe('Digits removed from the front'),
  prepend: of('number').or(z.literal('')).default(''),
  trunks: z.array(of('name')).min(1).max(10).describe('Tried in this order when a trunk is out of order'),
  record: z.boolean().nullable().default(null),
});

const daySpan = z.strictObject({
  days: of('dayRange'),
  from: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 09:00'),
  to: z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'must be a time such as 18:00'),
});

/**
 * The `dialplan` section: what the generated dialplan does. Names, targets and trunks are checked against one another.
 * Phones without an entry under `extensions` are rung as `device` says.
 */
export const dialplanConfig = z
  .strictObject({
    folder: path()
      .default('/etc/asterisk/ringledger.d')
      .describe('Where the generated files go; nothing else may be in it'),
    asteriskFolder: path().default('/etc/asterisk'),
    includeFrom: z
      .string()
      .regex(/^(?:[A-Za-z0-9_-]+\/)*[A-Za-z0-9_.-]+\.conf$/, 'must be the name of a file such as extensions.conf')
      .nullable()
      .default(null)
      .describe('The file that includes ours; null: extensions.conf, or extensions_custom.conf with FreePBX'),
    templatesFolder: path().default('/etc/ringledger/dialplan-templates').describe("The owner's own templates"),
    historyFolder: path().default('/var/lib/ringledger/dialplan'),
    variant: z.enum(['plain', 'freepbx']).default('plain'),
    agi: z
      .strictObject({
        servers: z.array(of('server')).min(1).max(5).default(['127.0.0.1:4573']).describe('Asked in this order'),
        waitMs: z
          .int()
          .min(200)
          .max(5000)
          .default(1500)
          .describe('After this long without an answer the call goes on; more than the deadline of the lookup'),
      })
      .prefault({}),
    device: deviceTemplate('extension', false).default('PJSIP/{extension}').describe('How a phone is dialled'),
    ringSeconds: seconds(300).default(20).describe('How long the responsible is rung'),
    deputyRingSeconds: seconds(300).default(15),
    keyTransfer: z.boolean().default(true).describe('Employees may transfer with the keys of features.conf'),
    extensions: z.array(extensionConfig).default([]),
    trunks: z.array(trunkConfig).default([]),
    recording: z
      .strictObject({
        inbound: z.boolean().default(true),
        outbound: z.boolean().default(true),
        clickToCall: z.boolean().default(true),
        exceptExtensions: z.array(of('extension')).default([]).describe('Whose outgoing calls are not recorded'),
        folder: of('folder').default('/var/spool/asterisk/monitor'),
        format: z.enum(['wav', 'WAV', 'wav49', 'gsm', 'ulaw', 'alaw', 'sln']).default('wav'),
        onlyTalk: z.boolean().default(true).describe('Leave out ringing and menus'),
      })
      .prefault({}),
    inbound: z
      .strictObject({
        numbers: z.array(inboundNumber).default([]).describe('Numbers that differ from the rest'),
        defaultRoute: target.default('hangup').describe('Where a call goes that nobody is responsible for'),
        distribute: z.boolean().default(true),
      })
      .prefault({}),
    outbound: z.array(outboundRoute).default([]),
    clickToCall: z
      .strictObject({
        trunk: of('name').nullable().default(null).describe('Null: the first trunk'),
        ringSeconds: seconds(300).default(30).describe("The employee's phone"),
        clientRingSeconds: seconds(300).default(60),
        autoAnswer: z
          .strictObject({
            header: z.enum(['Call-Info', 'Alert-Info', 'Answer-Mode']).default('Call-Info'),
            value: of('text').default('<sip:127.0.0.1>;answer-after=0'),
          })
          .nullable()
          .default(null)
          .describe('The header that makes the phone pick up by itself; null: the employee picks up'),
      })
      .prefault({}),
    groups: z
      .array(
        z.strictObject({
          name: of('name'),
          number: of('extension').nullable().default(null).describe('What employees dial to reach it'),
          strategy: z.enum(['ringall', 'sequential']).default('ringall'),
          members: z.array(of('extension')).min(1).max(50),
          ringSeconds: seconds(600).default(30).describe('ringall: all together; sequential: each'),
          then: target.default('hangup'),
        }),
      )
      .default([]),
    schedules: z
      .array(
        z.strictObject({
          name: of('name'),
          timeZone: of('timeZone').nullable().default(null).describe("Null: the installation's"),
          open: z.array(daySpan).max(50),
          holidays: z.array(of('date')).max(400).default([]),
          whenOpen: target,
          whenClosed: target,
        }),
      )
      .default([]),
    menus: z
      .array(
        z.strictObject({
          name: of('name'),
          greeting: of('sound'),
          waitSeconds: seconds(60).default(5),
          tries: z
            .int()
            .min(1)
            .max(10)
            .default(3)
            .describe('How often the greeting is played to a caller who presses nothing right'),
          choices: z.record(z.string().regex(/^[0-9*#]{1,4}$/, 'must be one to four keys'), target),
          canDialExtensions: z.boolean().default(false),
          wrongKeySound: of('sound').default('pbx-invalid'),
          otherwise: target.default('hangup'),
        }),
      )
      .default([]),
    queues: z
      .array(
        z.strictObject({
          name: of('name').describe('As in queues.conf'),
          waitSeconds: seconds(7200).default(300),
          then: target.default('hangup'),
        }),
      )
      .default([]),
    freepbx: z
      .strictObject({
        outboundPatterns: z
          .array(of('extenOrPattern'))
          .default([])
          .describe('Dialled numbers whose employee is marked before FreePBX routes them'),
        record: z
          .boolean()
          .default(false)
          .describe('Record inbound calls ourselves; FreePBX has call recording of its own'),
      })
      .prefault({}),
  })
  .superRefine((config, context) => {
    for (const { path: place, message } of findContradictions(config)) {
      context.addIssue({ code: 'custom', path: [...place], message });
    }
  })
  .prefault({});

export type DialplanConfig = z.output<typeof dialplanConfig>;
