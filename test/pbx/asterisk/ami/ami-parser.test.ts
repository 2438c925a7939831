import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AmiMessage } from '../../../../src/pbx/asterisk/ami/ami-message.ts';
import { AmiParser } from '../../../../src/pbx/asterisk/ami/ami-parser.ts';

function parse(
  bytes: Buffer | string,
  options: { pieces?: readonly number[]; maxMessageBytes?: number } = {},
): AmiMessage[] {
  const all = Buffer.from(bytes as string);
  const parser = new AmiParser({ maxMessageBytes: options.maxMessageBytes });
  const messages: AmiMessage[] = [];
  let position = 0;
  for (const piece of options.pieces ?? []) {
    if (position >= all.length) break;
    parser.push(Buffer.from(all.subarray(position, position + piece)), messages);
    position += piece;
  }
  if (position < all.length) parser.push(Buffer.from(all.subarray(position)), messages);
  return messages;
}
const plain = (messages: readonly AmiMessage[]) =>
  messages.map((message) => ({ event: message.event, headers: message.entries(), isTruncated: message.isTruncated }));

describe('the AMI parser', () => {
  it('reads events and responses behind the greeting, in order', () => {
    const messages = parse(
      'Asterisk Call Manager/9.0.0\r\nResponse: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n' +
        'Event: Newchannel\r\nPrivilege: call,all\r\nChannel: PJSIP/101-00000001\r\n\r\n',
    );
    assert.equal(messages.length, 2);
    assert.equal(messages[0]!.event, '');
    assert.equal(messages[0]!.get('Message'), 'Authentication accepted');
    assert.equal(messages[1]!.event, 'Newchannel');
    assert.equal(messages[1]!.get('Channel'), 'PJSIP/101-00000001');
    assert.equal(messages[1]!.get('Absent'), '');
    assert.equal(messages[1]!.has('Absent'), false);
  });

  it('keeps all of a repeated header in their order', () => {
    const [response] = parse(
      'Response: Success\r\nMessage: Command output follows\r\nOutput: a: b\r\nOutput: \r\nOutput:   c\r\n\r\n',
    );
    assert.deepEqual(response!.all('Output'), ['a: b', '', '  c']);
    assert.equal(response!.get('Output'), 'a: b');
  });

  it('gives a single header the same with and without splitting the others', () => {
    for (const lineEnd of ['\r\n', '\n']) {
      const [message] = parse(['Event: A', 'X: 1', 'AX: 2', 'Y: ', 'Last: 3', '', ''].join(lineEnd));
      const peeked = ['X', 'AX', 'Y', 'Last', 'Absent'].map((name) => message!.peek(name));
      assert.deepEqual(peeked, ['1', '2', '', '3', '']);
      assert.equal(message!.get('X'), '1');
      assert.equal(message!.peek('Last'), '3');
    }
  });

  it('reads a stream whose lines end in bare line feeds', () => {
    const crlf = 'Asterisk Call Manager/9.0.0\r\nEvent: A\r\nX: 1\r\n\r\nEvent: B\r\nY: 2\r\n\r\n';
    assert.deepEqual(plain(parse(crlf.replaceAll('\r\n', '\n'))), plain(parse(crlf)));
  });

  it('leaves bare line feeds inside values of a stream with CR LF, so that a value cannot forge an event', () => {
    const messages = parse('Event: Newexten\r\nAppData: X=1\n\nEvent: Hangup\nUniqueid: 1.1\r\nExten: s\r\n\r\n');
    assert.equal(messages.length, 1);
    assert.equal(messages[0]!.get('AppData'), 'X=1\n\nEvent: Hangup\nUniqueid: 1.1');
    assert.equal(messages[0]!.get('Exten'), 's');
  });

  it('replaces broken UTF-8 and reads on', () => {
    const bytes = Buffer.concat([
      Buffer.from('Event: A\r\nCallerIDName: '),
      Buffer.from([0xc8, 0xe2, 0xff]),
      Buffer.from('\r\n\r\nEvent: B\r\nCallerIDName: Ёлка 🌲\r\n\r\n'),
    ]);
    const messages = parse(bytes);
    assert.equal(messages[0]!.get('CallerIDName'), '\uFFFD\uFFFD\uFFFD');
    assert.equal(messages[1]!.get('CallerIDName'), 'Ёлка 🌲');
  });

  it('keeps the whole lines of an overlong message within the limit and drops its rest', () => {
    const stream = `Event: VarSet\r\nUniqueid: 1.1\r\nValue: ${'x'.repeat(5000)}\r\nMore: 1\r\n\r\nEvent: B\r\nY: 2\r\n\r\n`;
    for (const pieces of [[], Array.from({ length: 600 }, () => 10)]) {
      const messages = parse(stream, { pieces, maxMessageBytes: 1000 });
      assert.deepEqual(plain(messages), [
        {
          event: 'VarSet',
          headers: [
            ['Event', 'VarSet'],
            ['Uniqueid', '1.1'],
          ],
          isTruncated: true,
        },
        {
          event: 'B',
          headers: [
            ['Event', 'B'],
            ['Y', '2'],
          ],
          isTruncated: false,
        },
      ]);
    }
  });

  it('holds no more than the limit of a line that never ends', () => {
    const parser = new AmiParser({ maxMessageBytes: 10_000 });
    const messages: AmiMessage[] = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 20_000; i++) parser.push(Buffer.alloc(1000, 0x61), messages);
    assert.ok(process.memoryUsage().arrayBuffers - before < 30_000_000);
    parser.push(Buffer.from('\r\n\r\nEvent: A\r\n\r\n'), messages);
    assert.deepEqual(plain(messages), [{ event: 'A', headers: [['Event', 'A']], isTruncated: false }]);
  });

  it('gives the last message of a file that ends without a blank line, and nothing of a lost connection', () => {
    const parser = new AmiParser();
    const messages: AmiMessage[] = [];
    parser.push(Buffer.from('Event: A\r\nX: 1\r\n'), messages);
    parser.end(messages);
    assert.equal(messages[0]?.get('X'), '1');
    parser.push(Buffer.from('Event: B\r\nX: '), messages);
    parser.reset();
    parser.push(Buffer.from('Event: C\r\nX: 3\r\n\r\n'), messages);
    assert.deepEqual(
      messages.map((message) => message.event),
      ['A', 'C'],
    );
  });

  it('gives the same messages however the bytes are split', () => {
    const value = fc.string({ unit: fc.constantFrom('a', ':', ' ', '\n', 'ё', '🌲', '\t', '"'), maxLength: 40 });
    const message = fc.array(fc.tuple(fc.constantFrom('Variable', 'X', 'Output'), value), { maxLength: 6 });
    const stream = fc.record({
      messages: fc.array(message, { minLength: 1, maxLength: 8 }),
      lineEnd: fc.constantFrom('\r\n', '\n'),
      hasGreeting: fc.boolean(),
    });
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 200 }),
        ({ messages, lineEnd, hasGreeting }, pieces) => {
          const text =
            (hasGreeting ? `Asterisk Call Manager/5.0.2${lineEnd}` : '') +
            messages
              .map(
                (headers) =>
                  [['Event', 'Test'] as const, ...headers].map(([n, v]) => `${n}: ${v}${lineEnd}`).join('') + lineEnd,
              )
              .join('');
          assert.deepEqual(plain(parse(text, { pieces })), plain(parse(text)));
          if (lineEnd === '\r\n')
            assert.deepEqual(
              parse(text).map((parsed) => parsed.entries().slice(1)),
              messages.map((headers) => headers.map(([n, v]) => [n, v.startsWith(' ') ? v : v])),
            );
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('survives any bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .constantFrom('\r\n', '\n\n', '\r\n\r\n', 'Event: A\r\n', 'Asterisk Call Manager/', ':')
        .map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const whole: AmiMessage[] = [];
        const split: AmiMessage[] = [];
        const one = new AmiParser({ maxMessageBytes: 100 });
        one.push(Buffer.concat(pieces), whole);
        const other = new AmiParser({ maxMessageBytes: 100 });
        for (const bytes of pieces) other.push(Buffer.from(bytes), split);
        assert.deepEqual(plain(split), plain(whole));
      }),
      { numRuns: 20_000 },
    );
  });
});
