/**
 * A PBX that plays recorded stories again as new calls, in real time: over AMI to whoever is connected, and into a CEL
 * file whether anybody reads or not. Whoever connects in the middle is shown the channels that exist then.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseConfig } from '../../src/storage/config.ts';
import { amiMessage, FakeAmi, type FakeAction } from './fake-ami.ts';
import { retell, timeOfTraffic, type RecordedStory } from './recorded-traffic.ts';

interface Line {
  readonly at: number;
  readonly text: string;
  readonly isCel: boolean;
}

export class ReplayedPbx {
  readonly ami: FakeAmi;
  readonly celFile: string;
  /** All that was played, as it was told. */
  readonly played: RecordedStory[] = [];
  /** What comes of a click; null: an originate is an unknown command. */
  onOriginate: ((action: FakeAction) => void) | null = null;
  /** False: nobody hears of anything over AMI for a while, though the connection stands. */
  isHeard = true;
  readonly #lines: Line[] = [];
  readonly #channels = new Map<string, Record<string, string>>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  static async start(celFile: string): Promise<ReplayedPbx> {
    writeFileSync(celFile, '', { flag: 'a' });
    let pbx: ReplayedPbx | null = null;
    const ami = await FakeAmi.start({
      get channels() {
        return pbx === null ? [] : [...pbx.#channels.values()];
      },
      answer(action) {
        if (action.get('Action') !== 'Originate' || !pbx?.onOriginate) return undefined;
        pbx.onOriginate(action);
        const ActionID = action.get('ActionID');
        return amiMessage({ Response: 'Success', ActionID, Message: 'Originate successfully queued' });
      },
    });
    pbx = new ReplayedPbx(ami, celFile);
    return pbx;
  }

  private constructor(ami: FakeAmi, celFile: string) {
    this.ami = ami;
    this.celFile = celFile;
    this.#running = this.#run();
  }

  /**
   * Begins to play a story now, or so long ago that it is over; `serial` as in `retell`. `requestId`: of the click that the
   * story now comes of.
   */
  play(
    story: RecordedStory,
    { serial, agoMs = 0, requestId = null }: { serial: number; agoMs?: number; requestId?: string | null },
  ): RecordedStory {
    const first = Math.min(timeOfTraffic(story.ami[0]!), timeOfTraffic(story.cel[0]!));
    const retold = retell(story, { serial, laterS: Math.ceil((Date.now() - agoMs - first) / 1000) });
    const withRequest = (text: string) => text.replace(/(?<=^Value: )request-[a-z-]+/m, requestId ?? '$&');
    const told = { ...retold, ami: retold.ami.map(withRequest) };
    this.played.push(told);
    const line = (isCel: boolean) => (text: string) => ({ at: timeOfTraffic(text), text, isCel });
    const ami = told.ami.map(line(false));
    // Events that are told in one breath stay in their order.
    for (let index = 1; index < ami.length; index++)
      if (ami[index]!.at < ami[index - 1]!.at) ami[index] = { ...ami[index]!, at: ami[index - 1]!.at };
    this.#lines.push(...ami, ...told.cel.map(line(true)));
    this.#lines.sort((a, b) => a.at - b.at);
    return told;
  }

  /** True when everything that was begun has been told. */
  get isQuiet(): boolean {
    return this.#lines.length === 0;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.ami.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#tellDue();
      await delay(10, undefined, { signal }).catch(() => {});
    }
  }

  #tellDue(): void {
    const now = Date.now();
    let due = 0;
    while (due < this.#lines.length && this.#lines[due]!.at <= now) due++;
    if (due === 0) return;
    const lines = this.#lines.splice(0, due);
    const rows = lines.filter((line) => line.isCel).map((line) => line.text);
    if (rows.length > 0) appendFileSync(this.celFile, rows.join(''), 'latin1');
    const messages = lines.filter((line) => !line.isCel).map((line) => line.text);
    for (const message of messages) this.#observe(message);
    if (messages.length === 0 || !this.isHeard) return;
    for (const connection of this.ami.connections) {
      const isLoggedIn = connection.actions.some((action) => action.get('Action') === 'Login');
      const isDeaf = connection.actions.some(
        (action) => action.get('Events') === 'off' || action.get('Username') === 'control',
      );
      if (!connection.isClosed && isLoggedIn && !isDeaf) connection.socket.write(messages.join(''), 'latin1');
    }
  }

  #observe(message: string): void {
    const header = (name: string) => new RegExp(`^${name}: (.*)\r$`, 'm').exec(message)?.[1] ?? '';
    const uniqueId = header('Uniqueid');
    if (uniqueId === '') return;
    const known = this.#channels.get(uniqueId);
    switch (header('Event')) {
      case 'Hangup':
        this.#channels.delete(uniqueId);
        return;
      case 'Rename':
        if (known !== undefined) known['Channel'] = header('Newname');
        return;
      case 'Cdr':
        return;
    }
    const isNew = header('Event') === 'Newchannel';
    if (header('ChannelState') === '' || (known === undefined && !isNew)) return;
    const names = [
      'Channel',
      'ChannelState',
      'CallerIDNum',
      'CallerIDName',
      'AccountCode',
      'Context',
      'Exten',
      'Linkedid',
    ];
    const channel: Record<string, string> = {
      ...known,
      Uniqueid: uniqueId,
      ...Object.fromEntries(names.map((name) => [name, header(name)])),
    };
    if (header('Event') === 'BridgeEnter') channel['BridgeId'] = header('BridgeUniqueid');
    if (header('Event') === 'BridgeLeave') channel['BridgeId'] = '';
    this.#channels.set(uniqueId, channel);
  }
}

/** The settings of a service that follows it, and commands it where it is to. */
export function replayedConfig(
  pbx: ReplayedPbx,
  storage: DatabaseConfig,
  { amiPort = pbx.ami.port, commands = false } = {},
): object {
  const user = (username: string) => ({ username, secret: 'secret' });
  return {
    installation: { country: 'RU', timezone: 'UTC' },
    numbering: { extensions: ['_1XX'], trunks: ['provider'] },
    storage,
    http: { port: 0 },
    agi: { port: 0 },
    pbx: [
      {
        name: 'pbx',
        kind: 'asterisk',
        ami: { port: amiPort, events: user('events'), ...(commands && { control: user('control') }) },
        cel: { file: pbx.celFile },
      },
    ],
    users: ['101', '102', '103', '104'].map((extension) => ({
      id: `u${extension}`,
      name: extension,
      extensions: [extension],
    })),
  };
}
