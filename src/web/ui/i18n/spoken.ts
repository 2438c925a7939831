/** Puts a sentence of the server into another language; what it does not know it gives back as it came. */
export type Spoken = (text: string) => string;

/**
 * By the English sentences themselves: `{file} is empty although Asterisk has had {count} calls.` A place is one word;
 * with a star (`{error*}`) it is anything, and is itself put into the other language. The sentence that fixes most wins.
 */
export function createSpoken(translations: Readonly<Record<string, string>>): Spoken {
  const sentences = Object.entries(translations)
    .map(([english, other]) => ({ ...read(english), other }))
    .sort((a, b) => b.fixed - a.fixed);
  const say = (text: string, depth: number): string => {
    for (const { pattern, places, other } of sentences) {
      const found = pattern.exec(text);
      if (found === null) continue;
      const values = new Map(places.map((place, index) => [place, found[index + 1]!]));
      return other.replace(/\{\w+\*?\}/g, (place) => {
        const value = values.get(place) ?? place;
        return place.endsWith('*}') && depth > 0 ? say(value, depth - 1) : value;
      });
    }
    return text;
  };
  return (text) => say(text, 2);
}

function read(english: string): {
  readonly pattern: RegExp;
  readonly places: readonly string[];
  readonly fixed: number;
} {
  const places = english.match(/\{\w+\*?\}/g) ?? [];
  const literals = english.split(/\{\w+\*?\}/);
  const source = literals
    .map((literal) => literal.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .reduce((all, literal, index) => `${all}${places[index - 1]!.endsWith('*}') ? '([^]*?)' : '(\\S*?)'}${literal}`);
  return { pattern: new RegExp(`^${source}$`), places, fixed: literals.join('').length };
}
