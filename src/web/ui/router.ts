import { signal } from '@preact/signals';

const root = '/ui/';

export interface Place {
  /** Below `/ui/`, without slashes around: `calls`. */
  readonly screen: string;
  readonly query: Readonly<Record<string, string>>;
}

function placeOf(url: URL): Place {
  return {
    screen: url.pathname.startsWith(root) ? url.pathname.slice(root.length).replace(/\/+$/, '') : '',
    query: Object.fromEntries(url.searchParams),
  };
}

/** Where the person is; follows the address bar. */
export const place = signal<Place>(placeOf(new URL(location.href)));

export function addressOf(screen: string, query: Readonly<Record<string, string | null | undefined>> = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) params.set(name, value);
  const text = params.toString();
  return `${root}${screen}${text === '' ? '' : `?${text}`}`;
}

/** `isStep`: the browser's back button comes here again. */
export function go(address: string, { isStep = true } = {}): void {
  if (isStep) history.pushState(null, '', address);
  else history.replaceState(null, '', address);
  place.value = placeOf(new URL(location.href));
}

/** Links within the interface change the place without loading the page again. */
export function followLinks(): void {
  addEventListener('popstate', () => {
    place.value = placeOf(new URL(location.href));
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element).closest('a');
    if (link === null || link.target !== '' || link.origin !== location.origin || link.hasAttribute('download')) return;
    if (!link.pathname.startsWith(root)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
