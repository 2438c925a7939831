/** Answers the questions of the dialplan, over FastAGI: who should get the call, what name to show. */
import { AgiServer } from '../../../agi/server.ts';
import { createRoutes, type AgiHandler } from '../../../agi/routes.ts';
import { CallerLookup } from '../../core/caller-lookup.ts';
import { ContactSearch } from '../../core/contact-search.ts';
import type { DeviceState } from '../../core/ports.ts';
import type { InstalledHooks } from '../../hooks/installed-hooks.ts';
import type { Metrics } from '../../web/metrics.ts';
import type { OpenedCrm } from './crms.ts';
import type { Ground } from './ground.ts';

export interface DialplanQuestions {
  readonly search: ContactSearch;
  readonly lookup: CallerLookup;
  readonly agi: AgiServer;
  /** What a phone would show; null: nobody known. */
  nameOfCaller(number: string): Promise<string | null>;
}

/** Resolves once FastAGI listens. */
export async function answerDialplan(
  ground: Ground,
  parts: {
    readonly crms: readonly OpenedCrm[];
    readonly hooks: InstalledHooks;
    readonly metrics: Metrics;
    readonly stateOf: (extension: string) => DeviceState;
  },
): Promise<DialplanQuestions> {
  const { config, directory, plan, clock, log } = ground;
  const { crms, hooks, metrics, stateOf } = parts;
  const monotonicMs = () => performance.now();
  const search = new ContactSearch({
    sources: crms.map(({ entry, adapter, mirror }) => ({
      name: entry.name,
      mirror: adapter.listContacts === undefined ? null : mirror,
      findContact: (number, { signal }) => adapter.findContact(number, { signal, isUrgent: true }),
    })),
    settings: {
      breaker: { failures: config.distribution.breakerFailures, openMs: config.distribution.breakerOpenMs },
      freshMs: config.distribution.freshMs,
      staleMs: config.distribution.staleMs,
    },
    monotonicMs,
    log,
  });
  const { template, transliterate } = config.callerName;
  const lookup = new CallerLookup(
    {
      search,
      directory,
      numberPlan: plan,
      stateOf,
      get customizeAutodistribution() {
        return hooks.customizeAutodistribution;
      },
      clock,
      monotonicMs,
      log,
    },
    {
      deadlineMs: config.distribution.deadlineMs,
      hookMs: config.distribution.hookMs,
      policy: config.distribution,
      name: { template, transliterate: transliterate ? (await import('../../../agi/transliterate.ts')).toAscii : null },
    },
  );
  const nameOfCaller = async (number: string): Promise<string | null> => {
    const unknown = { callerName: '', did: '', trunk: '', requestData: {} };
    const answer = await lookup.callerName({ ...unknown, callerNumber: number, askedAtMs: monotonicMs() });
    return answer.name || null;
  };
  const agi = new AgiServer({
    config: config.agi,
    routes: timed(createRoutes({ lookup, keepsExistingName: config.callerName.keepsExisting }), metrics),
    log,
  });
  await agi.start();
  ground.onStop(() => agi.stop());
  return { search, lookup, agi, nameOfCaller };
}

function timed(routes: ReadonlyMap<string, AgiHandler>, metrics: Metrics): ReadonlyMap<string, AgiHandler> {
  return new Map(
    [...routes].map(([script, handler]) => [
      script,
      async (session) => {
        let status: string | void = 'failed';
        try {
          status = await handler(session);
          return status;
        } finally {
          metrics.countAgiRequest({
            script,
            status: status ?? 'answered',
            durationMs: performance.now() - session.acceptedAtMs,
          });
        }
      },
    ]),
  );
}
