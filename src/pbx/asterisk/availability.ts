import { Rejected } from '../../core/errors.ts';
import type { Availability } from '../../core/ports.ts';
import type { AmiHeader } from './ami/ami-message.ts';

/** The part of a session that commands Asterisk. */
export interface Commander {
  action(
    headers: readonly AmiHeader[],
  ): Promise<{ readonly items: readonly { readonly event: string; get(header: string): string }[] }>;
}

/**
 * Do-not-disturb is the custom device that the distribution looks at; Asterisk keeps its state over restarts. In queues
 * every member that is one of the extension's devices, or a Local channel to it, is paused, unless it is already. Needs the rights `call`
 * (Setvar) and `agent` (QueuePause) of the control user.
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
  const devices = new Set(wanted.deviceNames.map((one) => one.replaceAll('{extension}', extension).toLowerCase()));
  const { items } = await control.action([['Action', 'QueueStatus']]);
  const members = items
    .filter(({ event }) => event === 'QueueMember')
    .map((item) => ({
      place: item.get('Location'),
      device: item.get('StateInterface'),
      paused: item.get('Paused'),
      reason: item.get('PausedReason'),
    }))
    .filter(
      ({ place, device }) =>
        devices.has(place.toLowerCase()) ||
        devices.has(device.toLowerCase()) ||
        place.toLowerCase().startsWith(`local/${extension}@`),
    );
  const shownReason = reason.replaceAll(/[^\w -]/g, '').slice(0, 40);
  const isAsWanted = (member: (typeof members)[number]) =>
    member.paused === (isInQueues ? '0' : '1') && (isInQueues || member.reason === shownReason);
  for (const place of new Set(members.filter((member) => !isAsWanted(member)).map((member) => member.place))) {
    await control.action([
      ['Action', 'QueuePause'],
      ['Interface', place],
      ['Paused', isInQueues ? 'false' : 'true'],
      ['Reason', shownReason],
    ]);
  }
}
