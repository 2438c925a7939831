import { parseTarget, type DialplanConfig } from './config.ts';
import { anyWord, toExten } from './values.ts';

/** What the dialplan needs to know of the installation besides its own section. */
export interface DialplanSurroundings {
  /** `numbering.extensions`: patterns (`_1XX`), ranges (`100-199`) and single numbers. */
  readonly extensions: readonly string[];
  /** The installation's time zone, for schedules that have none of their own. */
  readonly timeZone: string;
}

/** Where a call goes; exactly one of the members is not null. */
export interface Target {
  readonly goto: { readonly context: string; readonly exten: string; readonly priority: string } | null;
  readonly voicemail: string | null;
  readonly sound: string | null;
  readonly hangup: boolean;
}

/** How a device is dialled: `start`, the number, `end`. */
export interface Device {
  readonly start: string;
  readonly end: string;
}

export interface Phone {
  /** An extension, or a pattern that stands for all the phones without settings of their own. */
  readonly exten: string;
  /** `extension` between start and end; null: the extension that was dialled; empty: start and end are all. */
  readonly device: Device & { readonly extension: string | null };
  readonly forward: {
    readonly trunk: string;
    readonly to: string;
    readonly ringSeconds: number;
    readonly isAlways: boolean;
  } | null;
  readonly mailbox: string | null;
}

/** Everything the templates see. All members are always there, so that a misspelt name is an error and not an empty place. */
export type DialplanModel = ReturnType<typeof buildModel>;

/** From settings to what templates see. */
export function buildModel(config: DialplanConfig, surroundings: DialplanSurroundings) {
  const firstTrunk = config.trunks[0]?.name ?? null;
  const listed = config.extensions.map((entry) => phoneOf(entry, config, firstTrunk));
  const phones = [
    ...listed,
    ...phonePatterns(surroundings.extensions)
      .filter((exten) => !config.extensions.some(({ extension }) => extension === exten))
      .map((exten): Phone => ({
        exten,
        device: { ...splitDevice(config.device), extension: null },
        forward: null,
        mailbox: null,
      })),
  ];
  const phoneByExten = new Map(listed.map((phone) => [phone.exten, phone]));
  const inboundDefault = toTarget(config.inbound.defaultRoute);
  const listedNumbers = config.inbound.numbers.map(({ number, trunk, distribute, record, defaultRoute }) => ({
    exten: number,
    hasNumber: number !== 's',
    trunk: trunk ?? '',
    distribute,
    record: record ?? config.recording.inbound,
    defaultRoute: defaultRoute === null ? inboundDefault : toTarget(defaultRoute),
  }));
  const anyNumber = (exten: string) => ({
    exten,
    hasNumber: exten !== 's',
    trunk: '',
    distribute: config.inbound.distribute,
    record: config.recording.inbound,
    defaultRoute: inboundDefault,
  });
  const clickTrunk = config.clickToCall.trunk ?? firstTrunk;
  return {
    isFreepbx: config.variant === 'freepbx',
    servers: config.agi.servers.map((address, index) => ({
      address,
      label: `server${index + 1}`,
      next: `server${index + 2}`,
    })),
    afterServers: `server${config.agi.servers.length + 1}`,
    agiWaitMs: config.agi.waitMs,
    ringSeconds: config.ringSeconds,
    deputyRingSeconds: config.deputyRingSeconds,
    /** Dial options: who may transfer with the keys of features.conf. */
    calledOptions: config.keyTransfer ? 't' : '',
    callingOptions: config.keyTransfer ? 'T' : '',
    recording: {
      folder: config.recording.folder,
      format: config.recording.format,
      options: config.recording.onlyTalk ? 'b' : '',
    },
    phones,
    trunks: config.trunks.map(({ name, device, callerId, rewrite }) => ({
      exten: toExten(name),
      device: splitDevice(device),
      callerId: callerId ?? '',
      rewrite: rewrite.map(({ from, to }, index) => ({
        from,
        to,
        length: from.length,
        label: `rewrite${index + 1}`,
        next: `rewrite${index + 2}`,
      })),
      afterRewrites: `rewrite${rewrite.length + 1}`,
    })),
    inbound: {
      numbers: [...listedNumbers, ...['_X!', '_+X!', anyWord, 's'].filter(notIn(listedNumbers)).map(anyNumber)],
    },
    outbound: config.outbound.map((route) => ({
      exten: route.pattern,
      strip: route.strip,
      prepend: route.prepend,
      record: route.record ?? config.recording.outbound,
      trunks: route.trunks.map((name, index) => ({
        exten: toExten(name),
        label: `trunk${index + 1}`,
        next: `trunk${index + 2}`,
      })),
      afterTrunks: `trunk${route.trunks.length + 1}`,
    })),
    unrecordedExtensions: config.recording.exceptExtensions,
    clickToCall: {
      ringSeconds: config.clickToCall.ringSeconds,
      clientRingSeconds: config.clickToCall.clientRingSeconds,
      trunk: clickTrunk === null ? null : toExten(clickTrunk),
      record: config.recording.clickToCall,
      autoAnswer: config.clickToCall.autoAnswer,
    },
    groups: config.groups.map(({ name, number, strategy, members, ringSeconds, then }) => ({
      exten: toExten(name),
      number,
      isRingall: strategy === 'ringall',
      members: members.map((extension) => ({
        extension,
        device: memberDevice(extension, phoneByExten.get(extension), config),
      })),
      ringSeconds,
      then: toTarget(then),
    })),
    schedules: config.schedules.map((schedule) => ({
      exten: toExten(schedule.name),
      timeZone: schedule.timeZone ?? surroundings.timeZone,
      spans: schedule.open.map(({ days, from, to }) => ({ days, hours: `${from}-${minuteBefore(to)}` })),
      holidays: schedule.holidays.map((date) => ({ date, format: date.length === 5 ? '%m-%d' : '%Y-%m-%d' })),
      whenOpen: toTarget(schedule.whenOpen),
      whenClosed: toTarget(schedule.whenClosed),
    })),
    menus: config.menus.map((menu) => ({
      context: menuContext(menu.name),
      greeting: menu.greeting,
      waitSeconds: menu.waitSeconds,
      tries: menu.tries,
      choices: Object.entries(menu.choices).map(([keys, target]) => ({ keys, target: toTarget(target) })),
      /** Extensions that callers may dial, without those that a choice stands for. */
      directPhones: menu.canDialExtensions
        ? phones.filter(({ exten }) => !(exten in menu.choices)).map(({ exten }) => exten)
        : [],
      wrongKeySound: menu.wrongKeySound,
      otherwise: toTarget(menu.otherwise),
    })),
    queues: config.queues.map(({ name, waitSeconds, then }) => ({
      exten: toExten(name),
      queue: name,
      waitSeconds,
      then: toTarget(then),
    })),
    freepbx: { outboundPatterns: config.freepbx.outboundPatterns, record: config.freepbx.record },
  };
}

const notIn = (numbers: readonly { readonly exten: string }[]) => (exten: string) =>
  !numbers.some((number) => number.exten === exten);

const menuContext = (name: string) => `ringledger-menu-${toExten(name)}`;

const gotoTarget = (context: string, exten: string, priority = '1'): Target => ({
  goto: { context, exten, priority },
  voicemail: null,
  sound: null,
  hangup: false,
});

function toTarget(text: string): Target {
  const { kind, value } = parseTarget(text);
  const nothing: Target = { goto: null, voicemail: null, sound: null, hangup: false };
  switch (kind) {
    case 'extension':
      return gotoTarget('ringledger-extensions', value);
    case 'group':
      return gotoTarget('ringledger-groups', toExten(value));
    case 'menu':
      return gotoTarget(menuContext(value), 's');
    case 'schedule':
      return gotoTarget('ringledger-schedules', toExten(value));
    case 'queue':
      return gotoTarget('ringledger-queues', toExten(value));
    case 'context': {
      const [context = '', exten = '', priority] = value.split(',');
      return gotoTarget(context, exten, priority);
    }
    case 'voicemail':
      return { ...nothing, voicemail: value };
    case 'playback':
      return { ...nothing, sound: value };
    case 'hangup':
      return { ...nothing, hangup: true };
  }
}

function splitDevice(template: string): Device {
  const [start = '', end = ''] = template.split(/\{(?:extension|number)\}/);
  return { start, end };
}

function phoneOf(
  entry: DialplanConfig['extensions'][number],
  config: DialplanConfig,
  firstTrunk: string | null,
): Phone {
  const { extension, device, forward, mailbox } = entry;
  const isWhole = device !== null && !device.includes('{extension}');
  const trunk = forward?.trunk ?? firstTrunk;
  return {
    exten: extension,
    device: { ...splitDevice(device ?? config.device), extension: isWhole ? '' : extension },
    forward:
      forward === null || trunk === null
        ? null
        : {
            trunk: toExten(trunk),
            to: forward.to,
            ringSeconds: forward.ringSeconds,
            isAlways: forward.when === 'always',
          },
    mailbox,
  };
}

/** In a ring-all group a phone is dialled directly; one that is forwarded needs its own leg of dialplan. */
function memberDevice(
  extension: string,
  phone: Phone | undefined,
  config: DialplanConfig,
): Device & { readonly extension: string } {
  if (phone?.forward?.isAlways) return { start: 'Local/', extension, end: '@ringledger-member/n' };
  if (phone === undefined) return { ...splitDevice(config.device), extension };
  return { start: phone.device.start, extension: phone.device.extension ?? extension, end: phone.device.end };
}

/** GotoIfTime takes the last minute as part of the range. */
function minuteBefore(time: string): string {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  const last = hours * 60 + minutes - 1;
  return `${String(Math.floor(last / 60)).padStart(2, '0')}:${String(last % 60).padStart(2, '0')}`;
}

function phonePatterns(extensions: readonly string[]): string[] {
  const patterns = extensions.flatMap((text) => {
    const range = /^(\d+)-(\d+)$/.exec(text);
    return range === null ? [text.toUpperCase()] : rangePatterns(range[1]!, range[2]!);
  });
  return [...new Set(patterns)];
}

/** `100-149` as patterns: `_1[0-4]X`. Both ends have the same length. */
function rangePatterns(from: string, to: string): string[] {
  if (from === to) return [from];
  let shared = 0;
  while (from[shared] === to[shared]) shared += 1;
  const head = from.slice(0, shared);
  const rest = from.length - shared - 1;
  const asPattern = (text: string) => (/[X[]/.test(text) ? `_${text}` : text);
  const block = (low: number, high: number) => {
    if (low > high) return [];
    const digit = low === 0 && high === 9 ? 'X' : low === high ? String(low) : `[${low}-${high}]`;
    return [asPattern(head + digit + 'X'.repeat(rest))];
  };
  const [low, high] = [Number(from[shared]), Number(to[shared])];
  if (rest === 0) return block(low, high);
  const isLowWhole = /^0*$/.test(from.slice(shared + 1));
  const isHighWhole = /^9*$/.test(to.slice(shared + 1));
  return [
    ...(isLowWhole ? [] : rangePatterns(from, head + low + '9'.repeat(rest))),
    ...block(isLowWhole ? low : low + 1, isHighWhole ? high : high - 1),
    ...(isHighWhole ? [] : rangePatterns(head + high + '0'.repeat(rest), to)),
  ];
}
