/** Puts a sentence of the server into another language; what it does not know it gives back as it came. */
export type Spoken = (text: string) => string;

/** Sentences within sentences; what others wrote may look like more, and shall cost no more. */
const deepest = 10;
/** A page shows the same sentences again at each of its changes. */
const mostKept = 1_000;

/**
 * By the English sentences themselves: `{file} is empty although Asterisk has had {count} calls.` A place is one word;
 * with a star (`{error*}`) it is anything, and is itself put into the other language; with a plus (`{printed+}`) it is anything,
 * and stays as it came: what a person wrote or a program printed. The sentence that fixes most wins.
 */
export function createSpoken(translations: Readonly<Record<string, string>>): Spoken {
  const sentences = Object.entries(translations)
    .map(([english, other]) => ({ ...read(english), other }))
    .sort((a, b) => b.fixed - a.fixed);
  const say = (text: string, depth: number): string => {
    for (const { longest, pattern, places, other } of sentences) {
      // Most are ruled out by this, at a small part of the price.
      if (!text.includes(longest)) continue;
      const found = pattern.exec(text);
      if (found === null) continue;
      const values = new Map(places.map((place, index) => [place, found[index + 1]!]));
      return other.replace(placePattern, (place) => {
        const value = values.get(place) ?? place;
        return place.endsWith('*}') && depth > 0 ? say(value, depth - 1) : value;
      });
    }
    return text;
  };
  const kept = new Map<string, string>();
  return (text) => {
    let said = kept.get(text);
    if (said === undefined) {
      said = say(text, deepest);
      if (kept.size >= mostKept) kept.clear();
      kept.set(text, said);
    }
    return said;
  };
}

const placePattern = /\{\w+[*+]?\}/g;

function read(english: string): {
  readonly pattern: RegExp;
  readonly places: readonly string[];
  readonly fixed: number;
  readonly longest: string;
} {
  const places = english.match(placePattern) ?? [];
  const literals = english.split(placePattern);
  const source = literals
    .map((literal) => literal.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .reduce((all, literal, index) => `${all}${/[*+]\}$/.test(places[index - 1]!) ? '([^]*?)' : '(\\S*?)'}${literal}`);
  const longest = literals.reduce((one, other) => (other.length > one.length ? other : one));
  return { pattern: new RegExp(`^${source}$`), places, fixed: literals.join('').length, longest };
}
