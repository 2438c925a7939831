const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
const widthOf = (text: string) => [...segmenter.segment(text)].length;

/** Control characters come from callers' names and CRMs' answers; a terminal must not act on them. */
export function makePrintable(value: unknown): string {
  if (value === null || value === undefined) return '';
  return String(value).replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ');
}

/** Columns under headings, as wide as their widest cell. */
export function formatTable(headings: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [headings, ...rows.map((row) => row.map(makePrintable))];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => widthOf(line[column] ?? ''))));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell + ' '.repeat(widths[column]! - widthOf(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
