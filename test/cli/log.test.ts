import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { createLog } from '../../src/cli/log.ts';

describe('the log', () => {
  function open(settings: { level: 'debug' | 'info' | 'warn' | 'error'; pretty: boolean }) {
    const stream = new PassThrough();
    return {
      log: createLog(settings, stream),
      lines: () => (stream.read() as Buffer | null)?.toString().trimEnd().split('\n') ?? [],
    };
  }

  it('writes one JSON object a line, from its level up, with the fields of its child', () => {
    const { log, lines } = open({ level: 'info', pretty: false });
    log.child({ pbx: 'office' }).info({ calls: 3 }, 'caught up');
    log.debug({}, 'unseen');
    const written = lines().map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(written.length, 1);
    const { time, ...rest } = written[0]!;
    assert.deepEqual(rest, { level: 'info', pbx: 'office', calls: 3, msg: 'caught up' });
    assert.ok(!Number.isNaN(Date.parse(time as string)));
  });

  it('never writes a secret, however deep', () => {
    for (const pretty of [true, false]) {
      const { log, lines } = open({ level: 'debug', pretty });
      log.info(
        { config: { ami: [{ secret: 'canary-1' }] }, url: 'postgres://u:canary-2@db/x', token: 'canary-3' },
        'x',
      );
      assert.doesNotMatch(lines().join(), /canary/);
    }
  });

  it('writes errors with their stack and cause', () => {
    const { log, lines } = open({ level: 'info', pretty: false });
    log.error({ error: new Error('outer', { cause: new Error('inner') }) }, 'failed');
    const [line] = lines();
    assert.match(line!, /outer/);
    assert.match(line!, /inner/);
    assert.match(line!, /log\.test/);
  });

  it('for people is one line of text that a name cannot break', () => {
    const { log, lines } = open({ level: 'info', pretty: true });
    log.warn({ name: 'Ivan\n\u001b[31mERROR' }, 'odd\rname');
    const written = lines();
    assert.equal(written.length, 1);
    assert.match(written[0]!, /^\S+Z WARN {2}odd name name=Ivan \[31mERROR$/);
  });
});
