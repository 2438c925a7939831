import { Rejected } from '../../core/errors.ts';
import type { Availability } from '../../core/ports.ts';
import type { AmiHeader } from './ami/ami-message.ts';

/** The part of a session that commands Asterisk. */
export interface Commander {
  action(headers: readonly AmiHeader[]): Promise<unknown>;
}

/**
 * Do-not-disturb is the custom device that the distribution looks at; Asterisk keeps its state over restarts. Queues know
 * an extension by its devices. Needs the rights `call` (Setvar) and `agent` (QueuePause) of the control user.
 */
export async function setAvailability(
  control: Commander,
  wanted: Availability & {
    readonly extension: string;
    readonly deviceNames: readonly string[];
    readonly dndDevice: string;
  },
): Promise<void> {
  const { extension, isDisturbable, isInQueues, reason } = wanted;
  if (!/^[0-9]{1,10}$/.test(extension)) throw new Rejected(`Not an extension: ${JSON.stringify(extension)}`);
  const dnd = wanted.dndDevice.replaceAll('{extension}', extension);
  if (isDisturbable !== null && /^Custom:[\w-]+$/.test(dnd)) {
    await control.action([
      ['Action', 'Setvar'],
      ['Variable', `DEVICE_STATE(${dnd})`],
      ['Value', isDisturbable ? 'NOT_INUSE' : 'BUSY'],
    ]);
  }
  if (isInQueues === null) return;
  const devices = wanted.deviceNames.map((pattern) => pattern.replaceAll('{extension}', extension));
  // FreePBX has its members as Local channels.
  for (const device of [...devices, `Local/${extension}@from-queue/n`]) {
    try {
      await control.action([
        ['Action', 'QueuePause'],
        ['Interface', device],
        ['Paused', isInQueues ? 'false' : 'true'],
        ['Reason', reason.replaceAll(/[^\w -]/g, '').slice(0, 40)],
      ]);
    } catch (error) {
      // A member of no queue has none to be paused in.
      if (!(error instanceof Rejected && /not found/i.test(error.message))) throw error;
    }
  }
}
