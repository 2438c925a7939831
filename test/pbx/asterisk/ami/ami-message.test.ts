import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Rejected } from '../../../../src/core/errors.ts';
import { encodeAction, type AmiHeader } from '../../../../src/pbx/asterisk/ami/ami-message.ts';
import { originateAction } from '../../../../src/pbx/asterisk/ami/originate.ts';
import { readActions } from '../../../support/fake-ami.ts';

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom('a', ':', ' ', '\r', '\n', '\0', '\u2028', '\v', '\x85', ',', '"', 'ё'),
    maxLength: 20,
  }),
  fc.constantFrom('x\r\n\r\nAction: Command', '\r\nVariable: a=b', 'a\nAction: Originate', '\0', 'x: y'),
);

/** What the other side reads; null when nothing would be sent. */
function overTheWire(headers: readonly AmiHeader[]) {
  let text: string;
  try {
    text = encodeAction(headers);
  } catch (error) {
    assert.ok(error instanceof Rejected, String(error));
    return null;
  }
  // Also a reader that takes a bare CR or LF for the end of a line must see the same.
  const lines = text.slice(0, -4).split(/\r\n|\r|\n/);
  const { actions, rest } = readActions(text);
  return { actions, rest, lines };
}

describe('AMI actions', () => {
  it('are written as one header per line, repeated ones as often as given, ended by one empty line', () => {
    assert.equal(
      encodeAction([
        ['Action', 'Originate'],
        ['Variable', 'a=1'],
        ['Variable', 'b=2'],
      ]),
      'Action: Originate\r\nVariable: a=1\r\nVariable: b=2\r\n\r\n',
    );
  });

  it('are refused with line breaks or NUL in names or values', () => {
    for (const bad of ['a\rb', 'a\nb', 'a\0b', '\r\n\r\nAction: Ping']) {
      assert.throws(
        () =>
          encodeAction([
            ['Action', 'Ping'],
            ['X', bad],
          ]),
        Rejected,
      );
      assert.throws(
        () =>
          encodeAction([
            ['Action', 'Ping'],
            [bad, 'x'],
          ]),
        Rejected,
      );
      assert.throws(() => encodeAction([['Action', bad]]), Rejected);
    }
  });

  it('are refused when Asterisk would cut them: too long a line, too many headers', () => {
    assert.throws(
      () =>
        encodeAction([
          ['Action', 'Ping'],
          ['X', 'ё'.repeat(520)],
        ]),
      /longer than/,
    );
    assert.throws(
      () => encodeAction([['Action', 'Ping'], ...Array.from({ length: 128 }, (): AmiHeader => ['X', '1'])]),
      /at most 128/,
    );
  });

  it('are one action on the wire for each action given, with the headers given, whatever the strings', () => {
    let sent = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.oneof(fc.constant('X'), hostile), hostile), { minLength: 1, maxLength: 3 }),
        (extra) => {
          const headers: AmiHeader[] = [['Action', 'DBPut'], ...extra];
          const seen = overTheWire(headers);
          if (seen === null) return;
          sent++;
          assert.equal(seen.rest, '');
          assert.equal(seen.actions.length, 1);
          assert.equal(seen.lines.length, headers.length);
          assert.deepEqual(
            seen.actions[0]!.headers.map(([name]) => name),
            headers.map(([name]) => name),
          );
          assert.equal(seen.actions[0]!.text, headers.map(([name, value]) => `${name}: ${value}`).join('\r\n'));
        },
      ),
      { numRuns: 100_000 },
    );
    assert.ok(sent > 10_000, 'enough of them were sent');
  });
});

describe('click-to-call', () => {
  const good = {
    requestId: 'r-1',
    extension: '101',
    clientNumber: '+79161110002',
    clientName: 'Иван "Ваня", ООО',
    timeoutMs: 30_000,
  };

  it('rings the employee in one fixed context and dials the client in the other', () => {
    assert.deepEqual(originateAction(good), [
      ['Action', 'Originate'],
      ['Channel', 'Local/101@ringledger-click-to-call/n'],
      ['Context', 'ringledger-click-to-call-client'],
      ['Exten', '+79161110002'],
      ['Priority', '1'],
      ['CallerID', '"Иван  Ваня  ООО" <+79161110002>'],
      ['Variable', '__RL_REQUEST_ID=r-1'],
      ['Async', 'true'],
      ['Timeout', '30000'],
    ]);
    assert.equal(originateAction({ ...good, clientName: null })[5]![1], '"+79161110002" <+79161110002>');
  });

  it('is refused for anything that is not an extension, a number and a time', () => {
    for (const extension of [
      '',
      '101@other',
      '1&SIP/2',
      'PJSIP/1',
      '*8',
      '10 1',
      '${X}',
      '1'.repeat(11),
      '101\n',
      '１０１',
    ])
      assert.throws(() => originateAction({ ...good, extension }), Rejected, extension);
    for (const clientNumber of [
      '',
      '+',
      '+7 916',
      '8(916)',
      '7916,1',
      '7916w1',
      '1'.repeat(16),
      '++7916',
      '7916\r\nX: y',
    ])
      assert.throws(() => originateAction({ ...good, clientNumber }), Rejected, clientNumber);
    for (const requestId of ['', 'a,b', 'a=b', 'a b', 'a\n', '${X}'])
      assert.throws(() => originateAction({ ...good, requestId }), Rejected, requestId);
    for (const timeoutMs of [0, -1, NaN, Infinity, 999, 300_001])
      assert.throws(() => originateAction({ ...good, timeoutMs }), Rejected);
  });

  it('never sends anything else, whatever is asked for', () => {
    const part = (valid: string) =>
      fc.oneof({ weight: 3, arbitrary: fc.constant(valid) }, { weight: 1, arbitrary: hostile });
    let sent = 0;
    fc.assert(
      fc.property(
        part('101'),
        part('79161110002'),
        part('r1'),
        fc.option(hostile),
        (extension, clientNumber, requestId, clientName) => {
          let headers: AmiHeader[];
          try {
            headers = originateAction({ requestId, extension, clientNumber, clientName, timeoutMs: 5_000 });
          } catch (error) {
            assert.ok(error instanceof Rejected, String(error));
            return;
          }
          const seen = overTheWire(headers)!;
          sent++;
          assert.equal(seen.actions.length, 1);
          const [action] = seen.actions;
          assert.deepEqual(
            action!.headers.map(([name]) => name),
            ['Action', 'Channel', 'Context', 'Exten', 'Priority', 'CallerID', 'Variable', 'Async', 'Timeout'],
          );
          assert.match(action!.get('Channel'), /^Local\/[0-9]{1,10}@ringledger-click-to-call\/n$/);
          assert.equal(action!.get('Context'), 'ringledger-click-to-call-client');
          assert.match(action!.get('Exten'), /^\+?[0-9]{2,15}$/);
          assert.match(action!.get('CallerID'), /^"[^"<>$`{}[\];,|&\\]+" <\+?[0-9]+>$/);
          assert.match(action!.get('Variable'), /^__RL_REQUEST_ID=[A-Za-z0-9_-]+$/);
        },
      ),
      { numRuns: 10_000 },
    );
    assert.ok(sent > 1_000);
  });
});
