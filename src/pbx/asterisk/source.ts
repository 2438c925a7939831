import type {
  Availability,
  Clock,
  CursorStore,
  DeviceState,
  Log,
  OriginateRequest,
  PartStatus,
  PbxEventSink,
  PbxSource,
} from '../../core/ports.ts';
import { setAvailability } from './availability.ts';
import { defaultLinkDeadlines } from './ami/ami-link.ts';
import { defaultBackoff } from './ami/backoff.ts';
import { CdrReader } from './csv/cdr-reader.ts';
import { CelReader, type CsvReaderParts, type CsvReaderSettings } from './csv/cel-reader.ts';
import type { AsteriskConfig } from './config.ts';
import { ControlSession } from './control-session.ts';
import { DeviceStates } from './ami/device-states.ts';
import { defaultEventSessionSettings, EventSession } from './event-session.ts';
import { LocalTime } from './csv/local-time.ts';
import { PresenceSession } from './presence-session.ts';

export interface AsteriskParts {
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the installation. */
  readonly timeZone: string;
}

const hourMs = 3_600_000;
const pollMs = 500;
const backlogMs = 30_000;
const placedMs = 2_000;
/** Who is to follow does so within this time after it was opened; who does not stands by. */
const standByAfterMs = 1_000;

/** The session that commands this Asterisk, also for a single command of the CLI; null when no user for it is configured. */
export function createControlSession(
  config: AsteriskConfig,
  parts: Pick<AsteriskParts, 'clock' | 'log'>,
): ControlSession | null {
  if (config.ami === null || config.ami.control === null) return null;
  const { host, port, control } = config.ami;
  return new ControlSession(
    {
      address: { host, port, ...control },
      deadlines: defaultLinkDeadlines,
      backoff: defaultBackoff,
      refusedRetryMs: defaultEventSessionSettings.refusedRetryMs,
    },
    { source: config.name, clock: parts.clock, log: parts.log },
  );
}

/** One Asterisk: calls followed live over AMI, and made good from CEL and CDR files; commands over a session of its own. */
export class AsteriskSource implements PbxSource {
  readonly name: string;
  /** Null: nothing can be commanded. */
  readonly control: ControlSession | null;
  readonly originate?: (request: OriginateRequest) => Promise<void>;
  readonly setAvailability?: (extension: string, availability: Availability) => Promise<void>;
  readonly #config: AsteriskConfig;
  readonly #parts: AsteriskParts;
  readonly #devices: DeviceStates;
  /** Of a node that stands by: knows what the phones do, also while it takes over. */
  #presence: { readonly session: PresenceSession; readonly devices: DeviceStates } | null = null;
  #standingBy: NodeJS.Timeout | undefined;
  #isOpen = false;
  #events: EventSession | null = null;
  #cel: CelReader | null = null;
  #cdr: CdrReader | null = null;

  constructor(config: AsteriskConfig, parts: AsteriskParts) {
    this.#config = config;
    this.#parts = parts;
    this.name = config.name;
    this.#devices = new DeviceStates(config);
    const control = createControlSession(config, parts);
    this.control = control;
    if (control !== null) {
      this.originate = (request) => control.originate(request);
      this.setAvailability = (extension, availability) =>
        setAvailability(control, {
          ...availability,
          extension,
          deviceNames: config.deviceNames,
          dndDevice: config.dndDevice,
        });
    }
  }

  open(): void {
    this.#isOpen = true;
    this.control?.start();
    this.#standBy();
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#standingBy);
    await Promise.all([this.control?.stop(), this.#forgetPresence()]);
  }

  #standBy(): void {
    clearTimeout(this.#standingBy);
    const { ami } = this.#config;
    if (ami === null || !this.#isOpen || this.#presence !== null) return;
    const { clock, log } = this.#parts;
    this.#standingBy = setTimeout(() => {
      const devices = new DeviceStates(this.#config);
      const { host, port, events } = ami;
      const { refusedRetryMs } = defaultEventSessionSettings;
      const session = new PresenceSession(
        {
          address: { host, port, ...events },
          deadlines: defaultLinkDeadlines,
          backoff: defaultBackoff,
          refusedRetryMs,
        },
        { source: this.name, devices, clock, log },
      );
      session.start();
      this.#presence = { session, devices };
    }, standByAfterMs);
  }

  async #forgetPresence(): Promise<void> {
    const presence = this.#presence;
    this.#presence = null;
    await presence?.session.stop();
  }

  async start(sink: PbxEventSink): Promise<void> {
    clearTimeout(this.#standingBy);
    const { ami, cel, cdr } = this.#config;
    const { clock, log } = this.#parts;
    let backlog: Promise<void> | null = null;
    const placed: Promise<void>[] = [];
    if (cel !== null) {
      this.#cel = new CelReader(readerSettings(cel), this.#readerParts(sink, cel.timeZone));
      backlog = withinDeadline(this.#cel.catchUp(), backlogMs);
      placed.push(this.#cel.start());
    }
    if (ami !== null) {
      const { control } = this;
      this.#events = new EventSession(
        {
          ...defaultEventSessionSettings,
          address: { host: ami.host, port: ami.port, ...ami.events },
          deadlines: defaultLinkDeadlines,
          backoff: defaultBackoff,
        },
        {
          source: this.name,
          sink: backlog === null ? sink : behind(backlog, sink),
          clock,
          log,
          time: new LocalTime(this.#parts.timeZone),
          onMessage: (message) => this.#devices.observe(message),
          onConnected: async (request) => {
            await this.#devices.resync(request);
            await this.#forgetPresence();
          },
          listChannels: control === null ? null : () => control.listChannels(),
        },
      );
      this.#events.start();
    }
    if (cdr !== null) {
      this.#cdr = new CdrReader(
        {
          ...readerSettings(cdr),
          withoutLinkedId: ami === null && cel === null ? 'own-call' : 'skip',
          richerReader: this.#cel,
        },
        this.#readerParts(sink, cdr.timeZone),
      );
      placed.push(this.#cdr.start());
    }
    await withinDeadline(Promise.all(placed), placedMs);
  }

  async stop(): Promise<void> {
    const following = [this.#events, this.#cel, this.#cdr];
    [this.#events, this.#cel, this.#cdr] = [null, null, null];
    await Promise.all(following.map((part) => part?.stop()));
    this.#standBy();
  }

  status(): readonly PartStatus[] {
    const { ami, cel, cdr } = this.#config;
    const presence = this.#events === null ? (this.#presence?.session ?? null) : null;
    const parts = [this.#events, presence, this.control, this.#cel, this.#cdr].flatMap((part) => part?.status() ?? []);
    if (ami !== null && cel === null && cdr === null)
      parts.push({
        part: `${this.name}: catching up`,
        health: 'warning',
        message:
          'Neither CEL nor CDR is read: calls that end while AMI or this service is down are lost. Switch on cel or cdr.',
      });
    return parts;
  }

  commandedSince(): Date | null {
    return this.#events === null ? null : (this.control?.connectedSince ?? null);
  }

  deviceState(extension: string): DeviceState {
    const state = this.#events?.isConnected ? this.#devices.of(extension) : 'unknown';
    if (state !== 'unknown' || !this.#presence?.session.isConnected) return state;
    return this.#presence.devices.of(extension);
  }

  #readerParts(sink: PbxEventSink, timeZone: string | null): CsvReaderParts {
    const { cursors, clock, log } = this.#parts;
    const time = new LocalTime(timeZone ?? this.#parts.timeZone, { isCertain: timeZone !== null });
    return { source: this.name, sink, cursors, clock, log, time };
  }
}

/**
 * Live events wait until the CEL of the time when nobody listened has been told: of a call that began then, they know
 * the end but not the beginning.
 */
function behind(backlog: Promise<void>, sink: PbxEventSink): PbxEventSink {
  return {
    accept: (events) => backlog.then(() => sink.accept(events)),
    resynced: (snapshot) => backlog.then(() => sink.resynced(snapshot)),
  };
}

/** A file that cannot be read, on a disk that does not answer, keeps nothing waiting for longer. */
function withinDeadline(reading: Promise<unknown>, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, deadlineMs);
    void reading.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function readerSettings(config: {
  readonly file: string;
  readonly columns: readonly string[] | null;
  readonly lookBackHours: number | null;
}): CsvReaderSettings {
  const { file, columns, lookBackHours } = config;
  return { file, columns, lookBackMs: lookBackHours === null ? null : lookBackHours * hourMs, pollMs };
}
