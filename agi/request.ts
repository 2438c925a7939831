/** What Asterisk tells of the channel when it connects. */
export interface AgiRequest {
  /** The path of the URL without slashes: `distribute` of `agi://127.0.0.1:4573/distribute?did=7000001`. */
  readonly script: string;
  /** The URL's query. */
  readonly query: ReadonlyMap<string, string>;
  /** `agi_arg_1`, `agi_arg_2`, … */
  readonly args: readonly string[];
  /** The lines of the head by their names. */
  readonly head: AgiHead;
}

const lineFeed = 10;
const mostQueryFields = 100;
const noQuery: ReadonlyMap<string, string> = new Map();

function readQuery(text: string): Map<string, string> {
  const query = new Map<string, string>();
  // A plus begins a number, as `${CALLERID(num)}` stands in the dialplan; its URIENCODE writes a space as %20.
  for (const [name, value] of new URLSearchParams(text.replaceAll('+', '%2B'))) {
    if (query.size >= mostQueryFields) break;
    if (!query.has(name)) query.set(name, value);
  }
  return query;
}

/**
 * Reads the head: lines `agi_name: value` up to the empty line (res_agi.c, `setup_env`). A value may hold colons. Of a
 * name that comes twice the first is kept: what Asterisk says itself stands before what a caller can write.
 */
export function readRequest(text: string): AgiRequest {
  const head = new AgiHead(text);
  const target = head.get('agi_network_script') ?? head.get('agi_request')?.replace(/^\w+:\/\/[^/]*/, '') ?? '';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return {
    script: path.replace(/^\/+|\/+$/g, ''),
    query: mark < 0 ? noQuery : readQuery(target.slice(mark + 1)),
    args: head.startingWith('agi_arg_'),
    head,
  };
}

/** Some twenty lines come, and three or four are asked for: they are looked up in the text. */
export class AgiHead {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }

  get(name: string): string | undefined {
    const start = this.#find(`${name}:`, 0);
    return start < 0 ? undefined : this.#valueBehind(start + name.length);
  }

  /** The values of all names that begin so, in their order. */
  startingWith(beginning: string): string[] {
    const values: string[] = [];
    const seen = new Set<string>();
    for (let start = this.#find(beginning, 0); start >= 0; start = this.#find(beginning, start + 1)) {
      const colon = this.#text.indexOf(':', start);
      const name = this.#text.slice(start, colon);
      if (colon < 0 || name.includes('\n') || seen.has(name)) continue;
      seen.add(name);
      values.push(this.#valueBehind(colon));
    }
    return values;
  }

  /** Where a line begins so, at or behind `from`; -1: nowhere. */
  #find(beginning: string, from: number): number {
    const text = this.#text;
    let at = text.indexOf(beginning, from);
    while (at > 0 && text.charCodeAt(at - 1) !== lineFeed) at = text.indexOf(beginning, at + 1);
    return at;
  }

  #valueBehind(colon: number): string {
    const start = this.#text[colon + 1] === ' ' ? colon + 2 : colon + 1;
    const end = this.#text.indexOf('\n', start);
    return this.#text.slice(start, end < 0 ? undefined : end);
  }
}
