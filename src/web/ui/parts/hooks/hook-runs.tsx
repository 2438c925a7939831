import type { HookRun } from '../../../../core/hook-runs.ts';
import { ask } from '../../api.ts';
import { showExactTime } from '../../format.ts';
import { t, tCount, tWord } from '../../i18n/words.ts';
import { addressOf } from '../../router.ts';
import { isAdmin } from '../../session.ts';
import type { Wire } from '../../wire.ts';
import { useLoaded, type Loaded } from '../loading.tsx';
import { firstLine } from '../trace.tsx';
import { sayOfHook } from './hook-words.ts';
import '../../styles/hooks.css';

export type KnownRuns = Loaded<readonly Wire<HookRun>[]>;

/** The runs of hooks about a call; nobody but administrators is told of them. */
export function useHookRuns(path: string): KnownRuns {
  return useLoaded(path, async (signal) =>
    isAdmin() ? (await ask<{ items: readonly HookRun[] }>(`${path}/hook-runs`, { signal })).items : [],
  );
}

/** One line, and below it each run; nothing at all where no hook ran. */
export function HookRuns({ loaded, of }: { readonly loaded: KnownRuns; readonly of: (run: Wire<HookRun>) => boolean }) {
  const runs = (loaded.value ?? []).filter(of);
  if (runs.length === 0) return null;
  const failed = runs.filter(({ fault }) => fault !== null).length;
  const changed = runs.filter(({ hasChanged }) => hasChanged).length;
  const sums = [
    tCount('hookRuns.runs', runs.length),
    changed > 0 && t('hookRuns.changedCount', { count: changed }),
    failed > 0 && t('hookRuns.failedCount', { count: failed }),
  ];
  return (
    <details class={failed > 0 ? 'hook-runs failed' : 'hook-runs'}>
      <summary>
        {t('hookRuns.title')} <span class="quiet">{sums.filter(Boolean).join(' · ')}</span>
      </summary>
      <ol>
        {runs.map((run, index) => (
          <OneRun key={index} run={run} />
        ))}
      </ol>
    </details>
  );
}

function OneRun({ run }: { readonly run: Wire<HookRun> }) {
  const { at, hook, crm, tookMs, hasChanged, fault, message } = run;
  return (
    <li>
      <span class="number quiet">{showExactTime(at)}</span>
      <a href={addressOf('hooks')}>
        <code>{hook}</code>
      </a>
      {crm !== null && <span class="quiet">{crm}</span>}
      <span class="number quiet">{t('hookRuns.took', { ms: tookMs.toFixed(1) })}</span>
      <span class={`badge ${fault !== null ? 'bad' : hasChanged ? 'good' : 'calm'}`}>
        {fault !== null ? tWord('hooks.fault', fault) : hasChanged ? t('hookRuns.changed') : t('hookRuns.unchanged')}
      </span>
      {message !== null && <p class="small words">{firstLine(sayOfHook(fault, message))}</p>}
    </li>
  );
}
