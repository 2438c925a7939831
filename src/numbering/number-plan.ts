import { parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js/max';
import type { NumberPlan } from '../core/ports.ts';
import { leadingNumber } from '../core/tracking/channel-role.ts';
import type { NumberingConfig } from './config.ts';
import { compileExtensionPattern } from './extension-pattern.ts';

/** What providers and Asterisk put in place of a withheld number, in lower case. */
const anonymousForms: readonly string[] = [
  'anonymous',
  'anonim',
  'blocked',
  'hidden',
  'invalid',
  'no number',
  'none',
  'null',
  'private',
  'restricted',
  'unavailable',
  'undefined',
  'unidentified',
  'unknown',
  'withheld',
  'asterisk',
  's',
  'скрыт',
  'неизвестен',
];
/** "anonymous" typed on a telephone keypad: some carriers send it as the number. */
const anonymousDigits = '266696687';

/** A number dialled within a call, after the number itself: `#12`, `;ext=12`, ` ext. 12`, `x12`, ` доб. 12`. */
const dialledWithin = /(?:[#,;].*|\s*(?:ext|extension|x|доб|вн)\.?\s*:?\s*\d+\s*)$/iu;

const rawLimit = 128;
const cacheLimit = 20_000;

/** `"Ivan" <sip:+7916@host;user=phone>` → `+7916`. */
function stripAddress(raw: string): string {
  const bracketed = /<([^<>]*)>\s*$/.exec(raw);
  return (bracketed?.[1] ?? raw)
    .replace(/^(?:sips?|tel):/i, '')
    .replace(/@.*$/, '')
    .trim();
}

/**
 * The installation's numbering from its configuration. `isKnownExtension` tells the extensions of the users that are
 * known now; it overrules the patterns. `isEmployeeNumber` tells the employees' own outside numbers (E.164). Results are cached: the same few thousand numbers come again and again.
 */
export function createNumberPlan(
  config: NumberingConfig,
  isKnownExtension: (number: string) => boolean = () => false,
  isEmployeeNumber: (number: string) => boolean = () => false,
): NumberPlan {
  const country = config.country as CountryCode;
  const extensionTests = config.extensions.map(compileExtensionPattern);
  const exceptionTests = config.notExtensions.map(compileExtensionPattern);
  const anonymous = new Set([...anonymousForms, ...config.anonymous.map((form) => form.trim().toLowerCase())]);
  const trunks = config.trunks.map((trunk) => trunk.replace(/^(?:PJSIP|SIP|IAX2|DAHDI)\//i, ''));

  function isExtension(number: string): boolean {
    if (isKnownExtension(number)) return true;
    return extensionTests.some((test) => test(number)) && !exceptionTests.some((test) => test(number));
  }

  function parseValid(text: string): string | null {
    const parsed = parsePhoneNumberFromString(text, country);
    return parsed?.isValid() ? parsed.number : null;
  }

  /** E.164 of what can be dialled from a phone in this country. */
  function readAsDialled(text: string): string | null {
    for (const prefix of [config.internationalPrefix, '00']) {
      if (!prefix || !text.startsWith(prefix)) continue;
      const international = parseValid('+' + text.slice(prefix.length));
      if (international) return international;
    }
    // People write +8 916 … for 8 916 …; no country has that code.
    const isNoCountry = text.startsWith('+') && parsePhoneNumberFromString(text) === undefined;
    return parseValid(isNoCountry ? text.slice(1) : text);
  }

  /** Providers deliver foreign numbers without a plus; a shorter one is more likely a local number than a foreign one. */
  const readAsForeign = (text: string) => (/^\d{10}/.test(text) ? parseValid('+' + text) : null);

  /** E.164 of the likeliest reading that makes a valid number; null when none does. */
  function readNumber(text: string): string | null {
    const prefix = config.outsidePrefix;
    const behindPrefix = prefix && text.startsWith(prefix) ? text.slice(prefix.length) : null;
    return (
      readAsDialled(text) ??
      (behindPrefix === null ? null : readAsDialled(behindPrefix)) ??
      readAsForeign(text) ??
      (behindPrefix === null ? null : readAsForeign(behindPrefix))
    );
  }

  function readClientNumber(raw: string): string | null {
    const address = stripAddress(raw.slice(0, rawLimit));
    if (address === '' || anonymous.has(address.toLowerCase())) return null;
    const text = address.replace(dialledWithin, '').replace(/(?!^\+)[^0-9]/g, '');
    const digits = text.replace('+', '');
    if (digits === '' || digits === anonymousDigits || /[a-zа-я]{3}/iu.test(address.replace(dialledWithin, '')))
      return null;
    const known = readNumber(text);
    if (known) return known;
    // A range newer than our tables: right in length, so still the same number as its other ways of writing.
    const possible = parsePhoneNumberFromString(text, country);
    return possible?.isPossible() ? possible.number : text;
  }

  const clientNumberOf = cached(readClientNumber);
  const isValidNumber = cached((dialled: string) => /^\+?\d+$/.test(dialled) && readNumber(dialled) !== null);

  function isTrunk(endpoint: string): boolean {
    if (trunks.length === 0)
      return endpoint !== '' && !isExtension(endpoint) && !isKnownExtension(leadingNumber(endpoint));
    return trunks.some((trunk) => (trunk.endsWith('*') ? endpoint.startsWith(trunk.slice(0, -1)) : endpoint === trunk));
  }

  return {
    // Users come and go, so what is an extension is never taken from the cache.
    toClientNumber: (raw) => (isExtension(raw) ? raw : clientNumberOf(raw)),
    isExtension,
    isOutsideNumber: (dialled) => !isExtension(dialled) && isValidNumber(dialled),
    isEmployeeNumber,
    isTrunk,
  };
}

function cached<Result>(read: (text: string) => Result): (text: string) => Result {
  const known = new Map<string, Result>();
  return (text) => {
    const hit = known.get(text);
    if (hit !== undefined) return hit;
    const result = read(text);
    if (text.length > rawLimit) return result;
    if (known.size >= cacheLimit) known.clear();
    known.set(text, result);
    return result;
  };
}
