/** What the nodes that share a database work with: each has a configuration and a folder of hooks of its own. */
import { createHash } from 'node:crypto';
import type { Config } from '../config.ts';
import type { Log, PartStatus } from '../core/ports.ts';
import type { NodeRegister, RegisteredNode } from '../storage/node-register.ts';

export interface NodeWatchParts {
  readonly config: Config;
  /** As it stands in logs and leases. */
  readonly name: string;
  /** Null: there is one node. */
  readonly register: NodeRegister | null;
  /** What stands in the folder of hooks, by place. */
  readonly hooks: () => ReadonlyMap<string, string>;
  readonly log: Log;
  readonly meetEveryMs?: number;
}

export interface NodeWatch {
  start(): void;
  stop(): Promise<void>;
  /** A line once there are several nodes; a warning where a call would fare otherwise on another node. */
  status(): readonly PartStatus[];
}

const hookMark = 'hook ';

/** Tells the other nodes what this one works with, and warns where they differ. */
export function watchNodes(parts: NodeWatchParts): NodeWatch {
  const { config, name, register, hooks, log, meetEveryMs = 10_000 } = parts;
  const settings = digestSettings(config);
  let others: readonly RegisteredNode[] = [];
  let meeting: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | null = null;

  const worksWith = () => ({
    ...settings,
    ...Object.fromEntries([...hooks()].map(([place, digest]) => [hookMark + place, digest])),
  });
  const meet = () => {
    meeting = meeting.then(async () => {
      try {
        others = await register!.meet({ name, worksWith: worksWith() });
      } catch (error) {
        // The database has a line of its own.
        log.debug({ err: error }, 'the other nodes could not be asked');
      }
    });
  };

  return {
    start() {
      if (register === null) return;
      meet();
      timer = setInterval(meet, meetEveryMs);
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      await meeting;
      await register?.leave(name).catch(() => undefined);
    },
    status() {
      if (others.length === 0) return [];
      const mine = worksWith();
      const names = [name, ...others.map((one) => one.name)];
      const faults = others.flatMap((other) => describe(other, mine, config.hooks.folder));
      return faults.length === 0
        ? [{ part: 'nodes', health: 'ok', message: `${names.join(', ')} work with the same hooks and settings`, names }]
        : [{ part: 'nodes', health: 'warning', message: faults.join(' '), names }];
    },
  };
}

function describe(other: RegisteredNode, mine: RegisteredNode['worksWith'], folder: string): string[] {
  const different = [...new Set([...Object.keys(mine), ...Object.keys(other.worksWith)])]
    .filter((what) => mine[what] !== other.worksWith[what])
    .sort();
  const placeOf = (what: string) => {
    const place = what.slice(hookMark.length);
    if (mine[what] === undefined) return `${place} (only there)`;
    return other.worksWith[what] === undefined ? `${place} (only here)` : place;
  };
  const hooks = different.filter((what) => what.startsWith(hookMark)).map(placeOf);
  const sections = different.filter((what) => !what.startsWith(hookMark));
  return [
    ...(hooks.length === 0
      ? []
      : [
          `The node ${other.name} has other hooks than this one: ${hooks.join(', ')}. Each node runs those of its own folder: ` +
            `copy ${folder} from the node that is right to the other; they are in force within a second.`,
        ]),
    ...(sections.length === 0
      ? []
      : [
          `The node ${other.name} has other settings than this one: ${sections.join(', ')}. ` +
            `Make these sections alike in the configuration of both and restart the one that was changed.`,
        ]),
  ];
}

/** Of the sections by which calls are told, routed and registered; addresses, paths and secrets may differ. */
function digestSettings(config: Config): Readonly<Record<string, string>> {
  const { country, timezone, language } = config.installation;
  const sections: Readonly<Record<string, unknown>> = {
    installation: { country, timezone, language },
    numbering: config.numbering,
    users: config.users,
    calls: config.calls,
    registration: config.registration,
    distribution: config.distribution,
    callerName: config.callerName,
    clickToCall: config.clickToCall,
    crm: config.crm.map((entry) => ({ name: entry.name, kind: entry.kind, registration: entry.registration })),
    pbx: config.pbx.map((entry) => entry.name),
  };
  return Object.fromEntries(
    Object.entries(sections).map(([section, value]) => [
      section,
      createHash('sha256').update(JSON.stringify(value, inOrder)).digest('hex').slice(0, 16),
    ]),
  );
}

/** The order of keys in a file means nothing. */
const inOrder = (_key: string, value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
