import type { DeviceState } from '../../../core/ports.ts';
import type { AmiReply } from './ami-link.ts';
import type { AmiHeader, AmiMessage } from './ami-message.ts';

/** `State` of DeviceStateChange, `devstatestring` in Asterisk's devicestate.c. */
const deviceStates: Readonly<Record<string, DeviceState | undefined>> = {
  NOT_INUSE: 'idle',
  INUSE: 'in_use',
  BUSY: 'busy',
  RINGING: 'ringing',
  RINGINUSE: 'in_use',
  ONHOLD: 'on_hold',
  UNAVAILABLE: 'unavailable',
  INVALID: 'unavailable',
  UNKNOWN: 'unknown',
};

/** Bits of `Status` of ExtensionStatus, include/asterisk/pbx.h; negative: the hint is gone. */
const hintBits = { inUse: 1, busy: 2, unavailable: 4, ringing: 8, onHold: 16 } as const;

/** When an extension has several devices, the state that says most about whether it can take a call. */
const strongest: readonly DeviceState[] = [
  'dnd',
  'in_use',
  'busy',
  'on_hold',
  'ringing',
  'idle',
  'unavailable',
  'unknown',
];

/**
 * What employees' phones do, from what AMI reports. An extension's devices are found by name; where none is known under those names,
 * the dialplan's hint for the extension answers; do-not-disturb is the custom device that FreePBX and most others keep for it.
 */
export class DeviceStates {
  readonly #deviceNames: readonly string[];
  readonly #dndDevice: string;
  readonly #devices = new Map<string, DeviceState>();
  readonly #hints = new Map<string, DeviceState>();

  /** `{extension}` in the names stands for the extension. */
  constructor(options: { readonly deviceNames: readonly string[]; readonly dndDevice: string }) {
    this.#deviceNames = options.deviceNames;
    this.#dndDevice = options.dndDevice;
  }

  observe(message: AmiMessage): void {
    if (message.event === 'DeviceStateChange')
      this.#devices.set(message.get('Device').toLowerCase(), deviceStates[message.get('State')] ?? 'unknown');
    else if (message.event === 'ExtensionStatus')
      this.#hints.set(message.get('Exten'), stateOfHint(Number(message.get('Status'))));
  }

  /** Takes stock after a connect: forgets what was known and asks for all devices and hints. Resolves also when that is refused. */
  async resync(request: (headers: readonly AmiHeader[]) => Promise<AmiReply>): Promise<void> {
    this.forget();
    // The answers pass through `observe` like all other messages.
    await request([['Action', 'DeviceStateList']]);
    await request([['Action', 'ExtensionStateList']]);
  }

  /** Nothing is known any more: the connection is gone. */
  forget(): void {
    this.#devices.clear();
    this.#hints.clear();
  }

  of(extension: string): DeviceState {
    const nameFor = (pattern: string) => pattern.replaceAll('{extension}', extension).toLowerCase();
    const dnd = this.#devices.get(nameFor(this.#dndDevice));
    if (dnd !== undefined && dnd !== 'idle' && dnd !== 'unknown' && dnd !== 'unavailable') return 'dnd';
    const states = this.#deviceNames.flatMap((pattern) => this.#devices.get(nameFor(pattern)) ?? []);
    if (states.length > 0) return strongest.find((state) => states.includes(state))!;
    return this.#hints.get(extension) ?? 'unknown';
  }
}

function stateOfHint(status: number): DeviceState {
  if (Number.isNaN(status) || status < 0) return 'unknown';
  if (status & hintBits.inUse) return 'in_use';
  if (status & hintBits.busy) return 'busy';
  if (status & hintBits.unavailable) return 'unavailable';
  if (status & hintBits.onHold) return 'on_hold';
  if (status & hintBits.ringing) return 'ringing';
  return 'idle';
}
