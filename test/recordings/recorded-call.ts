/** Calls with a recording, as events of a phone system and as the ledger keeps them. */
import type { CallChange } from '../../src/core/ports.ts';
import type { PbxEvent } from '../../src/core/pbx-event.ts';
import { findCallRecordings, type CallRecordings } from '../../src/core/recording/call-recordings.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';

const numbering = numberingConfig.parse({ country: 'RU', extensions: ['_1XX'], trunks: ['provider'] });
export const plan = createNumberPlan(
  numbering,
  () => false,
  () => false,
);

export interface Talk {
  readonly extension: string;
  /** Seconds after the call's start. */
  readonly from: number;
  readonly to: number;
}

export interface RecordedCallOptions {
  /** Makes the ids; each call has its own. */
  readonly serial?: number;
  /** As the PBX announces it; null: it does not. */
  readonly path: string | null;
  /** MixMonitor's options; `b` writes only while somebody talks. */
  readonly options?: string;
  readonly talks?: readonly Talk[];
  readonly startedAt?: Date;
  readonly client?: string;
  /** Seconds after the start at which the recording begins; 0. */
  readonly recordedFrom?: number;
  /** Seconds at which the recording is stopped and at which it is taken up again; without options: over AMI. */
  readonly pauses?: readonly { readonly from: number; readonly to: number; readonly options: string | null }[];
  /** Further files, announced on the employee's own channel of the first talk. */
  readonly ownFiles?: readonly string[];
}

export const usualTalk: readonly Talk[] = [{ extension: '101', from: 1, to: 4 }];

/** An inbound call whose client talks with these employees one after another. */
export function recordedEvents(options: RecordedCallOptions): { linkedId: string; events: PbxEvent[] } {
  const { serial = 1, path, talks = usualTalk, recordedFrom = 0 } = options;
  const startMs = (options.startedAt ?? new Date('2026-11-21T07:59:00Z')).getTime();
  const linkedId = `${Math.floor(startMs / 1000)}.${serial * 100}`;
  const channel = `PJSIP/provider-${String(serial * 100).padStart(8, '0')}`;
  const head = (seconds: number, of: { uniqueId: string; channel: string }) => ({
    source: 'office',
    origin: 'ami' as const,
    at: startMs + seconds * 1000,
    linkedId,
    ...of,
  });
  const caller = { uniqueId: linkedId, channel };
  const end = Math.max(...talks.map(({ to }) => to));
  const started = { type: 'started' as const, context: 'in', callerName: '', accountCode: '' };
  const monitor = (seconds: number, app: string, args: string): PbxEvent => ({
    ...head(seconds, caller),
    type: 'app',
    app,
    args,
    context: 'in',
    exten: '7000001',
  });
  const events: PbxEvent[] = [
    {
      ...head(0, caller),
      ...started,
      isCalling: true,
      exten: '7000001',
      callerNumber: options.client ?? '79161110002',
    },
    ...(path === null
      ? []
      : ([
          monitor(recordedFrom, 'MixMonitor', `${path},${options.options ?? ''}`),
          { ...head(recordedFrom, caller), type: 'recording', path },
        ] as PbxEvent[])),
  ];
  for (const pause of options.pauses ?? []) {
    events.push(
      monitor(pause.from, 'StopMixMonitor', ''),
      ...(pause.options === null ? [] : [monitor(pause.to, 'MixMonitor', `${path},${pause.options}`)]),
      { ...head(pause.to, caller), type: 'recording', path: path! },
    );
  }
  talks.forEach((talk, index) => {
    const phone = {
      uniqueId: `${Math.floor(startMs / 1000)}.${serial * 100 + index + 1}`,
      channel: `PJSIP/${talk.extension}-${String(serial * 100 + index + 1).padStart(8, '0')}`,
    };
    const bridgeId = `bridge-${serial}-${index}`;
    const ringsAt = talk.from - 0.5;
    events.push(
      { ...head(ringsAt, phone), ...started, isCalling: false, exten: '', callerNumber: talk.extension },
      { ...head(ringsAt, phone), type: 'dialed', byUniqueId: linkedId, dialString: talk.extension },
      { ...head(talk.from, phone), type: 'answered' },
      ...(index === 0 ? [{ ...head(talk.from, caller), type: 'answered' as const }] : []),
      { ...head(talk.from, phone), type: 'bridge-entered', bridgeId, bridgeType: 'simple_bridge' },
      { ...head(talk.from, caller), type: 'bridge-entered', bridgeId, bridgeType: 'simple_bridge' },
      ...(index === 0 ? (options.ownFiles ?? []) : []).map((file): PbxEvent => ({
        ...head(talk.from, phone),
        type: 'recording',
        path: file,
      })),
      { ...head(talk.to, phone), type: 'bridge-left', bridgeId },
      { ...head(talk.to, caller), type: 'bridge-left', bridgeId },
      { ...head(talk.to, phone), type: 'hung-up', cause: 16, dialStatus: null },
    );
  });
  events.push(
    { ...head(end, caller), type: 'hung-up', cause: 16, dialStatus: null },
    { ...head(end, caller), type: 'call-ended' },
  );
  return { linkedId, events };
}

export function readRecordings(options: RecordedCallOptions): CallRecordings {
  const { linkedId, events } = recordedEvents(options);
  return findCallRecordings({ source: 'office', linkedId, linkedIds: [linkedId], events, owed: [] }, plan)!;
}

/** What the tracker would save of it, all answered talks owed. */
export function recordedChange(options: RecordedCallOptions): CallChange {
  const { events } = recordedEvents(options);
  const { call } = readRecordings(options);
  const owed = call.conversations.filter(({ registered }) => registered).map(({ uniqueId }) => uniqueId);
  return { call, newEvents: events, absorbed: [], owed };
}
