import { useEffect, useState } from 'preact/hooks';
import { ask, type Query } from '../api.ts';
import { t } from '../i18n/words.ts';
import type { Wire, WirePage } from '../wire.ts';
import { explain } from './notices.tsx';

export interface Pages<Row> {
  readonly rows: readonly Wire<Row>[] | null;
  readonly fault: string | null;
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly more: () => void;
  readonly reload: () => void;
}

/** A list that grows page by page; starts again when the query changes. */
export function usePages<Row>(path: string, query: Query): Pages<Row> {
  const key = JSON.stringify([path, query]);
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{
    rows: readonly Wire<Row>[] | null;
    cursor: string | null;
    fault: string | null;
    isLoading: boolean;
  }>({ rows: null, cursor: null, fault: null, isLoading: true });
  const load = async (after: string | null, signal?: AbortSignal) => {
    setState((old) => ({ ...old, isLoading: true }));
    try {
      const page = (await ask(path, {
        query: { ...query, after },
        ...(signal ? { signal } : {}),
      })) as unknown as WirePage<Row>;
      if (signal?.aborted) return;
      setState((old) => ({
        rows: after === null ? page.items : [...(old.rows ?? []), ...page.items],
        cursor: page.nextCursor,
        fault: null,
        isLoading: false,
      }));
    } catch (error) {
      if (signal?.aborted) return;
      setState((old) => ({ ...old, fault: explain(error), isLoading: false }));
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    void load(null, abort.signal);
    return () => abort.abort();
  }, [key, round]);
  return {
    rows: state.rows,
    fault: state.fault,
    isLoading: state.isLoading,
    hasMore: state.cursor !== null,
    more: () => void load(state.cursor),
    reload: () => setRound((count) => count + 1),
  };
}

/** Below a list: the way to more, or why there is none. */
export function PagesFoot({
  pages,
}: {
  readonly pages: Omit<Pages<unknown>, 'rows'> & { readonly rows: readonly unknown[] | null };
}) {
  return (
    <div class="foot">
      {pages.fault !== null && (
        <p class="fault" role="alert">
          {pages.fault}{' '}
          <button class="plain" onClick={pages.reload}>
            {t('action.retry')}
          </button>
        </p>
      )}
      {pages.rows === null && pages.fault === null && <p class="quiet">{t('state.loading')}</p>}
      {pages.hasMore && (
        <button onClick={pages.more} disabled={pages.isLoading}>
          {t('action.more')}
        </button>
      )}
    </div>
  );
}
