/** Puts a sentence of the server into another language; what it does not know it gives back as it came. */
export type Spoken = (text: string) => string;

/**
 * By the English sentences themselves: `{file} is empty although Asterisk has had {count} calls.` A place is one word;
 * with a star (`{error*}`) it is anything, and is itself put into the other language; with a plus (`{printed+}`) it is anything,
 * and stays as it came: what a person wrote or a program printed. The sentence that fixes most wins; each fixes something, or there
 * would be no end.
 */
export function createSpoken(translations: Readonly<Record<string, string>>): Spoken {
  const sentences = Object.entries(translations)
    .map(([english, other]) => ({ ...read(english), other }))
    .sort((a, b) => b.fixed - a.fixed);
  const say = (text: string): string => {
    for (const { pattern, places, other } of sentences) {
      const found = pattern.exec(text);
      if (found === null) continue;
      const values = new Map(places.map((place, index) => [place, found[index + 1]!]));
      return other.replace(placePattern, (place) => {
        const value = values.get(place) ?? place;
        return place.endsWith('*}') ? say(value) : value;
      });
    }
    return text;
  };
  return say;
}

const placePattern = /\{\w+[*+]?\}/g;

function read(english: string): {
  readonly pattern: RegExp;
  readonly places: readonly string[];
  readonly fixed: number;
} {
  const places = english.match(placePattern) ?? [];
  const literals = english.split(placePattern);
  const source = literals
    .map((literal) => literal.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .reduce((all, literal, index) => `${all}${/[*+]\}$/.test(places[index - 1]!) ? '([^]*?)' : '(\\S*?)'}${literal}`);
  return { pattern: new RegExp(`^${source}$`), places, fixed: literals.join('').length };
}
