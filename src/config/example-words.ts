/**
 * What the example file says behind its settings, by their names without places in lists: `http.port`. Also of those that
 * are commented out there. Of a name that stands there several times the first counts.
 */
export function readExampleWords(text: string): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  const above: { readonly indent: number; readonly key: string }[] = [];
  for (const line of text.split('\n')) {
    const plain = line.replace(/^( *)# (?= *(?:- )?(?:\{ )?[A-Za-z]+:)/, '$1');
    const found = /^( *)((?:- )?)([A-Za-z]+):(?:\s|$)/.exec(plain);
    if (found === null) continue;
    const indent = found[1]!.length + found[2]!.length;
    while (above.length > 0 && above.at(-1)!.indent >= indent) above.pop();
    above.push({ indent, key: found[3]! });
    const said = /\s#\s+(\S.*)$/.exec(plain)?.[1];
    const path = above.map(({ key }) => key).join('.');
    if (said !== undefined && !said.startsWith('example') && !words.has(path))
      words.set(path, said.replace(/[;,]? *example:$/, '').trim());
  }
  return words;
}
