import { say } from '../../i18n/words.ts';

/** Why a hook failed: what the service found is put into the person's language, what the hook itself threw stays as it came. */
export const sayOfHook = (kind: string | null, message: string): string => (kind === 'error' ? message : say(message));
