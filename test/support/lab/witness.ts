/**
 * Sees what happened from outside the product: on the world's side what each party experienced, on the PBX's side who
 * could hear whom. Stories check themselves against it, so that a capture of a call that went otherwise is never kept.
 */
import type { AmiLink, AmiMessage } from './ami-link.ts';

/** One party's part in one call, seen from its own side. */
export interface Experience {
  readonly party: string;
  readonly isCalling: boolean;
  readonly channel: string;
  readonly id: string;
  readonly startedAt: number;
  hasRung: boolean;
  answeredAt: number | null;
  endedAt: number | null;
  cause: number | null;
  /** True when the other side ended it. */
  wasEnded: boolean;
}

interface Talk {
  readonly parties: readonly [string, string];
  ms: number;
}

const timeOf = (event: AmiMessage) => Math.round(Number(event['Timestamp']) * 1000);

export class Witness {
  readonly experiences: Experience[] = [];
  /** Parties that were called without a script. */
  readonly unscripted: string[] = [];
  /** What scripts told with `UserEvent(name)`. */
  readonly told = new Set<string>();
  /** Where the last parked call stands. */
  parkedAt: string | null = null;
  /** Channels of the PBX that were put on hold, in order. */
  readonly holds: string[] = [];
  readonly #talks = new Map<string, Talk>();
  readonly #partyOfChannel = new Map<string, string>();
  readonly #bridgeOf = new Map<string, { bridge: string; channel: string }>();
  #changedAt = 0;
  #watchers = new Set<() => void>();

  constructor(options: { readonly world: AmiLink; readonly pbx: AmiLink }) {
    options.world.onEvent((event) => {
      this.#seeWorld(event);
      this.#tell();
    });
    this.attachPbx(options.pbx);
  }

  /** Watches the PBX on another session, after it was restarted. */
  attachPbx(pbx: AmiLink): void {
    this.#bridgeOf.clear();
    pbx.onEvent((event) => {
      this.#seePbx(event);
      this.#tell();
    });
  }

  /** Forgets everything seen so far. */
  reset(): void {
    this.experiences.length = 0;
    this.unscripted.length = 0;
    this.holds.length = 0;
    this.told.clear();
    this.parkedAt = null;
    this.#talks.clear();
    this.#partyOfChannel.clear();
    this.#bridgeOf.clear();
  }

  of(party: string): Experience[] {
    return this.experiences.filter((one) => one.party === party);
  }

  /** For how many seconds two parties could hear one another through the PBX. */
  talkSeconds(one: string, other: string): number {
    return (this.#talks.get([one, other].sort().join('|'))?.ms ?? 0) / 1000;
  }

  /** Who talked with whom and for how long, for messages. */
  describe(): string {
    const talks = [...this.#talks.values()].map(
      ({ parties, ms }) => `${parties.join(' and ')} talked ${(ms / 1000).toFixed(2)} s`,
    );
    const seen = this.experiences.map(
      (one) =>
        `${one.party} ${one.isCalling ? 'called' : 'was called'}${one.hasRung ? ', rang' : ''}` +
        `${one.answeredAt === null ? '' : `, answered after ${one.answeredAt - one.startedAt} ms`}` +
        `${one.endedAt === null ? '' : `, ${one.wasEnded ? 'was ended' : 'ended'} after ${one.endedAt - one.startedAt} ms with ${one.cause}`}`,
    );
    return [...seen, ...talks, ...this.unscripted.map((party) => `${party} had no script`)].join('\n');
  }

  untilTold(name: string): Promise<void> {
    return this.until(`a script tells ${name}`, () => this.told.has(name));
  }

  /** @throws when it does not become true in time; the message says what was seen instead */
  async until(what: string, isTrue: () => boolean, deadlineMs = 20_000): Promise<void> {
    if (isTrue()) return;
    await new Promise<void>((done, failed) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(look);
        failed(new Error(`waited ${deadlineMs} ms in vain: ${what}\n${this.describe()}`));
      }, deadlineMs);
      const look = () => {
        if (!isTrue()) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        done();
      };
      this.#watchers.add(look);
    });
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #seeWorld(event: AmiMessage): void {
    const id = event['Uniqueid'] ?? '';
    const found = this.experiences.find((one) => one.id === id);
    switch (event['Event']) {
      case 'UserEvent':
        if (event['UserEvent'] === 'Unscripted') this.unscripted.push(event['Party'] ?? '?');
        else this.told.add(event['UserEvent'] ?? '');
        break;
      case 'Newchannel': {
        if (!(event['Channel'] ?? '').startsWith('PJSIP/')) break;
        const isCalling = id.startsWith('calling-');
        this.experiences.push({
          party: isCalling ? id.split('-')[1]! : (event['Exten'] ?? ''),
          isCalling,
          channel: event['Channel'] ?? '',
          id,
          startedAt: timeOf(event),
          hasRung: false,
          answeredAt: null,
          endedAt: null,
          cause: null,
          wasEnded: false,
        });
        break;
      }
      case 'Newstate':
        if (found === undefined) break;
        if (event['ChannelStateDesc'] === 'Ringing') found.hasRung = true;
        if (event['ChannelStateDesc'] === 'Up') found.answeredAt ??= timeOf(event);
        break;
      case 'HangupRequest':
        if (found !== undefined) found.wasEnded = true;
        break;
      case 'Hangup':
        if (found === undefined) break;
        found.endedAt = timeOf(event);
        found.cause = Number(event['Cause']);
        break;
    }
  }

  #seePbx(event: AmiMessage): void {
    const channel = event['Channel'] ?? '';
    switch (event['Event']) {
      case 'Newchannel': {
        const endpoint = /^(?:PJ)?SIP\/(.+)-[0-9a-f]+$/.exec(channel)?.[1];
        if (endpoint === undefined) break;
        if (endpoint !== 'provider') this.#partyOfChannel.set(channel, endpoint);
        else if (event['CallerIDNum'] !== '<unknown>') this.#partyOfChannel.set(channel, event['CallerIDNum'] ?? '');
        break;
      }
      case 'ParkedCall':
        this.parkedAt = event['ParkingSpace'] ?? null;
        break;
      case 'Hold':
        this.holds.push(channel);
        break;
      case 'DialBegin': {
        const dialled = /^(?:(?:PJ)?SIP\/)?(\d+)@provider$/.exec(event['DialString'] ?? '')?.[1];
        if (dialled !== undefined) this.#partyOfChannel.set(event['DestChannel'] ?? '', dialled);
        break;
      }
      case 'BridgeEnter':
        this.#count(timeOf(event));
        if (event['BridgeTechnology'] === 'holding_bridge') break;
        this.#bridgeOf.set(event['Uniqueid'] ?? '', { bridge: event['BridgeUniqueid'] ?? '', channel });
        break;
      case 'BridgeLeave':
      case 'Hangup':
        this.#count(timeOf(event));
        this.#bridgeOf.delete(event['Uniqueid'] ?? '');
        break;
    }
  }

  /** Adds the time since the last change to everybody who shares a bridge, or bridges joined by a Local channel. */
  #count(at: number): void {
    const passed = at - this.#changedAt;
    this.#changedAt = at;
    if (this.#bridgeOf.size < 2) return;
    const roots = new Map<string, string>();
    const rootOf = (bridge: string): string => {
      const next = roots.get(bridge);
      return next === undefined ? bridge : rootOf(next);
    };
    const halves = new Map<string, string>();
    for (const { bridge, channel } of this.#bridgeOf.values()) {
      const pair = /^(Local\/.+);[12]$/.exec(channel)?.[1];
      if (pair === undefined) continue;
      const other = halves.get(pair);
      if (other === undefined) halves.set(pair, bridge);
      else if (rootOf(other) !== rootOf(bridge)) roots.set(rootOf(other), rootOf(bridge));
    }
    const present = [...this.#bridgeOf.values()].flatMap(({ bridge, channel }) => {
      const party = this.#partyOfChannel.get(channel);
      return party === undefined ? [] : [{ party, bridge: rootOf(bridge) }];
    });
    for (const [index, one] of present.entries()) {
      for (const other of present.slice(index + 1)) {
        if (one.bridge !== other.bridge) continue;
        const parties = [one.party, other.party].sort() as [string, string];
        const talk = this.#talks.get(parties.join('|')) ?? { parties, ms: 0 };
        talk.ms += passed;
        this.#talks.set(parties.join('|'), talk);
      }
    }
  }
}
