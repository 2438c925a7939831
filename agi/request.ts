/** What Asterisk tells of the channel when it connects. */
export interface AgiRequest {
  /** The path of the URL without slashes: `distribute` of `agi://127.0.0.1:4573/distribute?did=7000001`. */
  readonly script: string;
  /** The URL's query. */
  readonly query: ReadonlyMap<string, string>;
  /** `agi_arg_1`, `agi_arg_2`, … */
  readonly args: readonly string[];
  /** All lines of the head by their names. */
  readonly head: ReadonlyMap<string, string>;
}

const mostQueryFields = 100;

function readQuery(text: string): Map<string, string> {
  const query = new Map<string, string>();
  if (text === '') return query;
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
  const head = new Map<string, string>();
  const args: string[] = [];
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    const colon = text.indexOf(':', start);
    if (colon < 0) break;
    if (colon === start || colon > end) continue;
    const name = text.slice(start, colon);
    if (head.has(name)) continue;
    const value = text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1, end);
    head.set(name, value);
    if (name.startsWith('agi_arg_')) args.push(value);
  }
  const target = head.get('agi_network_script') ?? head.get('agi_request')?.replace(/^\w+:\/\/[^/]*/, '') ?? '';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return {
    script: path.replace(/^\/+|\/+$/g, ''),
    query: readQuery(mark < 0 ? '' : target.slice(mark + 1)),
    args,
    head,
  };
}
