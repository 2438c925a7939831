import type { HookName } from '../core/hooks.ts';

const alwaysSeen = ['PATH', 'LANG', 'LC_ALL', 'TZ'];

/** All that a hook sees of the service's environment, and which hook it is. */
export function environmentOf(
  env: NodeJS.ProcessEnv,
  allowed: readonly string[],
  about: { readonly hook: HookName; readonly crm: string | null; readonly folder: string },
): Record<string, string> {
  const seen = [...alwaysSeen, ...allowed].flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(seen),
    RINGLEDGER_HOOK: about.hook,
    RINGLEDGER_CRM: about.crm ?? '',
    RINGLEDGER_HOOKS_FOLDER: about.folder,
  };
}
