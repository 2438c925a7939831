import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CsvFramer, splitCsvRecord, type CsvRecord } from '../../../../src/pbx/asterisk/csv/csv-record.ts';

function frame(text: string, pieces: readonly number[] = [], options: { maxRecordBytes?: number } = {}): CsvRecord[] {
  const bytes = Buffer.from(text);
  const framer = new CsvFramer(options);
  const records: CsvRecord[] = [];
  let position = 0;
  for (const piece of [...pieces, bytes.length]) {
    framer.push(Buffer.from(bytes.subarray(position, position + piece)), records);
    position += piece;
  }
  framer.end(records);
  return records;
}

describe('CSV records', () => {
  it('may hold commas, doubled quotes and line breaks in quotes, and numbers without', () => {
    assert.deepEqual(splitCsvRecord('"a, b","say ""hi""",,12,""'), ['a, b', 'say "hi"', '', '12', '']);
    assert.deepEqual(
      frame('"1","two\nlines","3"\r\n\n4,5,6\n').map((record) => record.fields),
      [
        ['1', 'two\nlines', '3'],
        ['4', '5', '6'],
      ],
    );
  });

  it('are the same however the bytes are split, and know where they end', () => {
    const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', 'ё', ' '), maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(fc.array(field, { minLength: 2, maxLength: 5 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 60 }),
        (table, pieces) => {
          const lines = table.map((fields) => fields.map((text) => `"${text.replaceAll('"', '""')}"`).join(',') + '\n');
          const records = frame(lines.join(''), pieces);
          assert.deepEqual(
            records.map((record) => record.fields),
            table,
          );
          let end = 0;
          assert.deepEqual(
            records.map((record) => record.endOffset),
            lines.map((line) => (end += Buffer.byteLength(line))),
          );
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('lose only the row that a crash tore, not those behind it', () => {
    const good = (name: string) => `"${name}",${Array.from({ length: 15 }, () => '"x"').join(',')}\n`;
    const names = frame(good('1') + '"torn","x\n' + good('2') + good('3'), [30, 40]).map((record) => record.fields[0]);
    assert.deepEqual(names, ['1', '2', '3']);
  });

  it('stand whole behind the zeros that a power cut leaves, also within a torn row', () => {
    const row = (name: string) => `"${name}",${Array.from({ length: 15 }, () => '"x"').join(',')}\n`;
    const zeros = '\0'.repeat(4096);
    assert.deepEqual(
      frame(row('1') + zeros + row('2') + `"torn","x${zeros}\n` + row('3')).map(({ fields }) => fields[0]),
      ['1', '2', '3'],
    );
  });

  it('never wait for a closing quote beyond the limit', () => {
    const records = frame('"open\n' + 'line\n'.repeat(100), [], { maxRecordBytes: 100 });
    assert.ok(records.length > 2);
  });
});
