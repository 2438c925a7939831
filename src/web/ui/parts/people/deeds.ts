import { t, tWord, type Key } from '../../i18n/words.ts';
import en from '../../i18n/en.json';

const prefix = 'people.did.';
const root = '/api/v1';

interface Route {
  readonly key: Key;
  readonly method: string;
  readonly parts: readonly string[];
}
/** Every change that has words; the one with most fixed parts first, so that `/deliveries/resend` is no delivery's id. */
const routes: readonly Route[] = Object.keys(en)
  .filter((key) => key.startsWith(prefix) && key.includes(' /'))
  .map((key) => {
    const [method = '', path = ''] = key.slice(prefix.length).split(' ');
    return { key: key as Key, method, parts: path.split('/') };
  })
  .sort((a, b) => fixed(b) - fixed(a));
function fixed({ parts }: Route): number {
  return parts.filter((part) => !part.startsWith(':')).length;
}

/** What was done, in words, as the list of changes keeps it: a method and a path, or words already. Null: nobody has words for it. */
export function wordsOfDeed({ action, target }: { readonly action: string; readonly target: string }): string | null {
  if (target === '') return tWord('people.did', action);
  const given = target.replace(root, '').split('/');
  const route = routes.find(
    ({ method, parts }) =>
      method === action &&
      parts.length === given.length &&
      parts.every((part, index) => part.startsWith(':') || part === given[index]),
  );
  if (route === undefined) return null;
  const values = route.parts.flatMap((part, index) =>
    part.startsWith(':') ? [[part.slice(1), decoded(given[index]!)] as const] : [],
  );
  return t(route.key, Object.fromEntries(values));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
