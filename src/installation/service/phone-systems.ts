/** Opens the phone systems: any node commands them, one at a time follows each, its calls restored before its events come in. */
import type { DeviceState, PartStatus, PbxEventSink, PbxSource } from '../../core/ports.ts';
import type { CallTracker } from '../../core/tracking/call-tracker.ts';
import { pbxKinds } from '../../pbx/index.ts';
import { createCursorStore } from '../../storage/cursor-store.ts';
import { holdNodeLease, type NodeLease } from '../../storage/node-lease.ts';
import type { Ground } from './ground.ts';

export interface PhoneSystems {
  /** By name. */
  readonly sources: ReadonlyMap<string, PbxSource>;
  /** Names of those that another node follows, or nobody yet. */
  notFollowed(): readonly string[];
  /** What the first of them says that knows the extension. */
  stateOf(extension: string): DeviceState;
  status(): readonly PartStatus[];
}

/** Resolves once each is followed, here or by another node. */
export async function followPhoneSystems(
  ground: Ground,
  { tracker, sink }: { readonly tracker: CallTracker; readonly sink: PbxEventSink },
): Promise<PhoneSystems> {
  const { config, database, clock, log } = ground;
  const cursors = createCursorStore(database);
  const sources = new Map<string, PbxSource>();
  const leases: NodeLease[] = [];
  for (const entry of config.pbx) {
    const source = pbxKinds[entry.kind].create(entry, {
      cursors,
      clock,
      log: log.child({ pbx: entry.name }),
      timeZone: config.installation.timezone,
    });
    sources.set(entry.name, source);
    source.open?.();
    ground.onStop(() => source.close?.());
    const lease = holdNodeLease({
      database,
      role: `pbx:${entry.name}`,
      log,
      onHeld: async () => {
        await tracker.restore(entry.name);
        await source.start(sink);
      },
      onLost: async () => {
        await source.stop();
        tracker.release(entry.name);
      },
    });
    leases.push(lease);
    ground.onStop(() => lease.stop());
  }
  await Promise.all(leases.map((lease) => lease.asked));
  return {
    sources,
    notFollowed: () => config.pbx.filter((_, index) => !leases[index]!.isHeld).map(({ name }) => name),
    stateOf: (extension) => stateOf(sources, extension),
    status: () => [
      ...[...sources.values()].flatMap((source) => source.status()),
      ...leases.flatMap((lease, index) => (lease.isHeld ? [] : [leaseStatus(config.pbx[index]!.name)])),
      ...(config.pbx.length > 0 ? [] : [noPbxStatus]),
    ],
  };
}

function stateOf(sources: ReadonlyMap<string, PbxSource>, extension: string): DeviceState {
  for (const source of sources.values()) {
    const state = source.deviceState?.(extension) ?? 'unknown';
    if (state !== 'unknown') return state;
  }
  return 'unknown';
}

const leaseStatus = (name: string): PartStatus => ({
  part: `${name}: standby`,
  health: 'ok',
  message: 'another node follows this phone system; this one takes over when it stops',
});
const noPbxStatus: PartStatus = {
  part: 'phone systems',
  health: 'warning',
  message: 'None is configured: no call is followed. Add one under pbx in the configuration.',
};
