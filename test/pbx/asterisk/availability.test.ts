import assert from 'node:assert/strict';
import { Rejected, Retryable } from '../../../src/core/errors.ts';
import { setAvailability } from '../../../src/pbx/asterisk/availability.ts';
import type { AmiHeader } from '../../../src/pbx/asterisk/ami/ami-message.ts';

const devices = { deviceNames: ['PJSIP/{extension}', 'SIP/{extension}'], dndDevice: 'Custom:DND{extension}' };

describe('taking a phone out of distribution and queues', () => {
  let asked: Record<string, string>[];
  let fault: (action: Record<string, string>) => Error | null;
  const control = {
    async action(headers: readonly AmiHeader[]) {
      const action = Object.fromEntries(headers) as Record<string, string>;
      asked.push(action);
      const error = fault(action);
      if (error !== null) throw error;
    },
  };
  beforeEach(() => {
    asked = [];
    fault = () => null;
  });
  const set = (isDisturbable: boolean | null, isInQueues: boolean | null, extension = '101', reason = 'dinner') =>
    setAvailability(control, { ...devices, extension, isDisturbable, isInQueues, reason });

  it('sets the device that the distribution looks at, and pauses every member that the extension may be', async () => {
    await set(false, false);
    assert.deepEqual(asked[0], { Action: 'Setvar', Variable: 'DEVICE_STATE(Custom:DND101)', Value: 'BUSY' });
    assert.deepEqual(
      asked.slice(1).map(({ Interface, Paused, Reason }) => [Interface, Paused, Reason]),
      [
        ['PJSIP/101', 'true', 'dinner'],
        ['SIP/101', 'true', 'dinner'],
        ['Local/101@from-queue/n', 'true', 'dinner'],
      ],
    );
    asked = [];
    await set(true, true);
    assert.deepEqual([asked[0]!['Value'], asked[1]!['Paused']], ['NOT_INUSE', 'false']);
  });

  it('touches only what it is told to', async () => {
    await set(false, null);
    assert.deepEqual(
      asked.map(({ Action }) => Action),
      ['Setvar'],
    );
    asked = [];
    await set(null, true);
    assert.ok(asked.every(({ Action }) => Action === 'QueuePause'));
    asked = [];
    await setAvailability(control, {
      ...devices,
      dndDevice: 'SIP/{extension}',
      extension: '101',
      isDisturbable: false,
      isInQueues: null,
      reason: '',
    });
    assert.deepEqual(asked, [], 'a device that is no custom one cannot be set');
  });

  it('does not mind a member of no queue, but does mind a refusal', async () => {
    fault = ({ Action }) =>
      Action === 'QueuePause' ? new Rejected('Asterisk refused QueuePause: Interface not found') : null;
    await set(false, false);
    fault = ({ Action }) =>
      Action === 'QueuePause' ? new Rejected('Asterisk refused QueuePause: Permission denied') : null;
    await assert.rejects(set(false, false), Rejected);
    fault = () => new Retryable('no connection');
    await assert.rejects(set(false, false), Retryable);
  });

  it('sends nothing but an extension and harmless words', async () => {
    for (const extension of ['', '101)', '101\r\nAction: Originate', 'x', '101@ctx'])
      await assert.rejects(set(false, false, extension), Rejected);
    assert.deepEqual(asked, []);
    await set(null, false, '101', 'a\r\nAction: Command');
    assert.equal(asked[0]!['Reason'], 'aAction Command');
  });
});
