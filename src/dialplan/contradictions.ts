import { parseTarget, type DialplanConfig, type TargetKind, type WrittenTarget } from './config.ts';
import { toExten } from './values.ts';

/** Something that only several settings together get wrong. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

interface PlacedTarget extends WrittenTarget {
  readonly path: readonly PropertyKey[];
}

/** Names used twice, targets and trunks that are not there, schedules that cannot be, routes that run in circles. */
export function findContradictions(config: DialplanConfig): Contradiction[] {
  return [
    ...findRepeated(config),
    ...findLostTargets(config),
    ...findLostTrunks(config),
    ...findSpans(config),
    ...findCircles(config),
    ...findMisplacedFolder(config),
  ];
}

function findRepeated(config: DialplanConfig): Contradiction[] {
  const lists: readonly (readonly [section: PropertyKey[], key: string, names: readonly string[]])[] = [
    [['extensions'], 'extension', config.extensions.map(({ extension }) => extension)],
    [['trunks'], 'name', config.trunks.map(({ name }) => toExten(name))],
    [['groups'], 'name', config.groups.map(({ name }) => toExten(name))],
    [['menus'], 'name', config.menus.map(({ name }) => toExten(name))],
    [['schedules'], 'name', config.schedules.map(({ name }) => toExten(name))],
    [['queues'], 'name', config.queues.map(({ name }) => toExten(name))],
    [['inbound', 'numbers'], 'number', config.inbound.numbers.map(({ number }) => number)],
    [['outbound'], 'pattern', config.outbound.map(({ pattern }) => pattern)],
  ];
  return lists.flatMap(([section, key, names]) => {
    const seen = new Set<string>();
    return names.flatMap((name, index) => {
      if (seen.has(name))
        return [{ path: [...section, index, key], message: `'${name}' stands here already; each needs its own` }];
      seen.add(name);
      return [];
    });
  });
}

function targetsOf(config: DialplanConfig): PlacedTarget[] {
  const written: (readonly [PropertyKey[], string | null])[] = [
    [['inbound', 'defaultRoute'], config.inbound.defaultRoute],
    ...config.inbound.numbers.map(({ defaultRoute }, index): [PropertyKey[], string | null] => [
      ['inbound', 'numbers', index, 'defaultRoute'],
      defaultRoute,
    ]),
    ...config.groups.map(({ then }, index) => [['groups', index, 'then'], then] as [PropertyKey[], string]),
    ...config.queues.map(({ then }, index) => [['queues', index, 'then'], then] as [PropertyKey[], string]),
    ...config.schedules.flatMap(({ whenOpen, whenClosed }, index): [PropertyKey[], string][] => [
      [['schedules', index, 'whenOpen'], whenOpen],
      [['schedules', index, 'whenClosed'], whenClosed],
    ]),
    ...config.menus.flatMap(({ choices, otherwise }, index): [PropertyKey[], string][] => [
      [['menus', index, 'otherwise'], otherwise],
      ...Object.entries(choices).map(([keys, text]): [PropertyKey[], string] => [
        ['menus', index, 'choices', keys],
        text,
      ]),
    ]),
  ];
  return written.flatMap(([place, text]) => {
    try {
      return text === null ? [] : [{ path: place, ...parseTarget(text) }];
    } catch {
      return [];
    }
  });
}

function findLostTargets(config: DialplanConfig): Contradiction[] {
  const known: Partial<Record<TargetKind, ReadonlySet<string>>> = {
    group: new Set(config.groups.map(({ name }) => name)),
    menu: new Set(config.menus.map(({ name }) => name)),
    schedule: new Set(config.schedules.map(({ name }) => name)),
    queue: new Set(config.queues.map(({ name }) => name)),
  };
  return targetsOf(config)
    .filter(({ kind, value }) => known[kind]?.has(value) === false)
    .map(({ path: place, kind, value }) => ({ path: place, message: `there is no ${kind} '${value}'` }));
}

function findLostTrunks(config: DialplanConfig): Contradiction[] {
  const known = new Set(config.trunks.map(({ name }) => name));
  const used: (readonly [PropertyKey[], string | null])[] = [
    [['clickToCall', 'trunk'], config.clickToCall.trunk],
    ...config.outbound.flatMap(({ trunks }, index) =>
      trunks.map((name, position): [PropertyKey[], string] => [['outbound', index, 'trunks', position], name]),
    ),
    ...config.extensions.map(({ forward }, index): [PropertyKey[], string | null] => [
      ['extensions', index, 'forward', 'trunk'],
      forward?.trunk ?? null,
    ]),
  ];
  const needsOne = config.extensions.flatMap(({ forward }, index) =>
    forward !== null && known.size === 0
      ? [{ path: ['extensions', index, 'forward'], message: 'needs a trunk; there is none under dialplan.trunks' }]
      : [],
  );
  return [
    ...needsOne,
    ...used
      .filter(([, name]) => name !== null && !known.has(name))
      .map(([place, name]) => ({ path: place, message: `there is no trunk '${name}'` })),
  ];
}

function findSpans(config: DialplanConfig): Contradiction[] {
  return config.schedules.flatMap(({ open }, index) =>
    open.flatMap(({ from, to }, position) =>
      from < to
        ? []
        : [
            {
              path: ['schedules', index, 'open', position, 'to'],
              message: 'must be after from; write two spans for hours past midnight',
            },
          ],
    ),
  );
}

/** Groups and schedules that lead to one another without end would ring for ever; in a menu the caller decides. */
function findCircles(config: DialplanConfig): Contradiction[] {
  const next = new Map<string, string[]>();
  for (const { path: place, kind, value } of targetsOf(config)) {
    const section = place[0] === 'groups' ? 'group' : place[0] === 'schedules' ? 'schedule' : null;
    if (section === null) continue;
    const name =
      section === 'group' ? config.groups[place[1] as number]!.name : config.schedules[place[1] as number]!.name;
    next.set(`${section}:${name}`, [...(next.get(`${section}:${name}`) ?? []), `${kind}:${value}`]);
  }
  const leadsTo = (start: string, goal: string, seen = new Set<string>()): boolean =>
    (next.get(start) ?? []).some((step) => {
      if (step === goal) return true;
      if (seen.has(step)) return false;
      seen.add(step);
      return leadsTo(step, goal, seen);
    });
  return (['groups', 'schedules'] as const).flatMap((section) =>
    config[section].flatMap(({ name }, index) => {
      const itself = `${section === 'groups' ? 'group' : 'schedule'}:${name}`;
      return leadsTo(itself, itself) ? [{ path: [section, index], message: `'${name}' leads back to itself` }] : [];
    }),
  );
}

function findMisplacedFolder(config: DialplanConfig): Contradiction[] {
  const folder = config.folder.replace(/\/$/, '');
  const isTaken = [config.asteriskFolder, config.historyFolder, config.templatesFolder, '/etc', '/'].some(
    (other) => other.replace(/\/$/, '') === folder,
  );
  return isTaken ? [{ path: ['folder'], message: 'must be a folder of its own' }] : [];
}
