import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n/words.ts';
import { explain } from './notices.tsx';

export interface Loaded<Value> {
  readonly value: Value | null;
  readonly fault: string | null;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

/** Loads again whenever `key` changes; the old value stays until the new one is there. What was overtaken is dropped. */
export function useLoaded<Value>(key: string, load: (signal: AbortSignal) => Promise<Value>): Loaded<Value> {
  const [state, setState] = useState<{
    readonly value: Value | null;
    readonly fault: string | null;
    readonly isLoading: boolean;
  }>({ value: null, fault: null, isLoading: true });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ ...old, isLoading: true }));
    latest.current(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) setState({ value, fault: null, isLoading: false });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setState((old) => ({ ...old, fault: explain(error), isLoading: false }));
      },
    );
    return () => abort.abort();
  }, [key, round]);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  return { ...state, reload };
}

/** The value once it is there; before it a quiet word, and a fault with a way to try again. */
export function Await<Value>({
  loaded,
  children,
}: {
  readonly loaded: Loaded<Value>;
  readonly children: (value: Value) => ComponentChildren;
}) {
  return (
    <>
      {loaded.fault !== null && (
        <p class="fault" role="alert">
          {loaded.fault}{' '}
          <button class="plain" onClick={loaded.reload}>
            {t('action.retry')}
          </button>
        </p>
      )}
      {loaded.value === null ? (
        loaded.fault === null && <p class="quiet">{t('state.loading')}</p>
      ) : (
        <div class={loaded.isLoading ? 'loading' : undefined}>{children(loaded.value)}</div>
      )}
    </>
  );
}
