import assert from 'node:assert/strict';
import { Rejected, Retryable } from '../../../src/core/errors.ts';
import { AmiMessage } from '../../../src/pbx/asterisk/ami/ami-message.ts';
import type { AmiHeader } from '../../../src/pbx/asterisk/ami/ami-message.ts';
import { setAvailability } from '../../../src/pbx/asterisk/availability.ts';

const devices = { deviceNames: ['PJSIP/{extension}', 'SIP/{extension}'], dndDevice: 'Custom:DND{extension}' };
const members = [
  ['PJSIP/101', 'PJSIP/101'],
  // In another queue, and a second time.
  ['PJSIP/101', 'PJSIP/101'],
  ['Local/101@from-queue/n', 'hint:101@ext-local'],
  ['Local/5@agents/n', 'pjsip/101'],
  ['PJSIP/1011', 'PJSIP/1011'],
  ['Local/1011@from-queue/n', 'PJSIP/1011'],
] as const;

describe('taking a phone out of distribution and queues', () => {
  let asked: Record<string, string>[];
  /** What the members are, where Asterisk tells. */
  let state: string;
  let fault: (action: Record<string, string>) => Error | null;
  const control = {
    async action(headers: readonly AmiHeader[]) {
      const action = Object.fromEntries(headers) as Record<string, string>;
      asked.push(action);
      const error = fault(action);
      if (error !== null) throw error;
      const items = action['Action'] === 'QueueStatus' ? members : [];
      return {
        items: items.map(
          ([place, device]) =>
            new AmiMessage(
              `Event: QueueMember\r\nQueue: q\r\nLocation: ${place}\r\nStateInterface: ${device}\r\n${state}`,
              {
                lineEnd: '\r\n',
              },
            ),
        ),
      };
    },
  };
  beforeEach(() => {
    asked = [];
    state = '';
    fault = () => null;
  });
  const set = (isDisturbable: boolean | null, isInQueues: boolean | null, extension = '101', reason = 'dinner') =>
    setAvailability(control, { ...devices, extension, isDisturbable, isInQueues, reason });
  const pauses = () =>
    asked
      .filter(({ Action }) => Action === 'QueuePause')
      .map(({ Interface, Paused, Reason }) => [Interface, Paused, Reason]);

  it('sets the device that the distribution looks at, and pauses every member that is the extension, once', async () => {
    await set(false, false);
    assert.deepEqual(asked[0], { Action: 'Setvar', Variable: 'DEVICE_STATE(Custom:DND101)', Value: 'BUSY' });
    assert.deepEqual(
      pauses(),
      ['PJSIP/101', 'Local/101@from-queue/n', 'Local/5@agents/n'].map((place) => [place, 'true', 'dinner']),
    );
    asked = [];
    await set(true, true);
    assert.deepEqual([asked[0]!['Value'], pauses()[0]![1]], ['NOT_INUSE', 'false']);
  });

  it('touches only what it is told to', async () => {
    await set(false, null);
    assert.deepEqual(
      asked.map(({ Action }) => Action),
      ['Setvar'],
    );
    asked = [];
    await set(null, true);
    assert.ok(asked.every(({ Action }) => Action !== 'Setvar'));
    asked = [];
    await set(null, true, '109');
    assert.deepEqual(pauses(), [], 'a member of no queue');
    asked = [];
    const wanted = { extension: '101', isDisturbable: false, isInQueues: null, reason: '' };
    await setAvailability(control, { ...devices, dndDevice: 'SIP/{extension}', ...wanted });
    assert.deepEqual(asked, [], 'a device that is no custom one cannot be set');
  });

  it('leaves members as they are that are paused already, or are not', async () => {
    state = 'Paused: 1\r\nPausedReason: dinner\r\n';
    await set(null, false);
    assert.deepEqual(pauses(), []);
    await set(null, false, '101', 'busy');
    assert.equal(pauses().length, 3, 'for another reason');
    asked = [];
    await set(null, true);
    assert.equal(pauses().length, 3);
    asked = [];
    state = 'Paused: 0\r\nPausedReason: \r\n';
    await set(null, true);
    assert.deepEqual(pauses(), []);
    await set(null, false);
    assert.equal(pauses().length, 3);
  });

  it('says when Asterisk refuses or is away', async () => {
    const denied = new Rejected('Asterisk refused QueuePause: Permission denied');
    fault = ({ Action }) => (Action === 'QueuePause' ? denied : null);
    await assert.rejects(set(false, false), Rejected);
    fault = () => new Retryable('no connection');
    await assert.rejects(set(false, false), Retryable);
  });

  it('sends nothing but an extension and harmless words', async () => {
    for (const extension of ['', '101)', '101\r\nAction: Originate', 'x', '101@ctx'])
      await assert.rejects(set(false, false, extension), Rejected);
    assert.deepEqual(asked, []);
    await set(null, false, '101', 'a\r\nAction: Command');
    assert.equal(pauses()[0]![2], 'aAction Command');
  });
});
