/** A session that commands the Asterisk of this machine for as long as one task takes. Shared by commands and web interface. */
import type { Config } from '../config.ts';
import type { Clock, Log } from '../core/ports.ts';
import type { DialplanControl } from '../dialplan/apply.ts';
import { createControlSession } from '../pbx/asterisk/source.ts';

export interface OpenedControl {
  readonly control: DialplanControl;
  close(): Promise<void>;
}

/** Asterisk does not answer, or refuses us; the message says why. */
export class NoControl extends Error {
  override readonly name = 'NoControl';
}

/** Null: no Asterisk with a control user is configured. Throws `NoControl`. */
export async function openControl(
  config: Config,
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<OpenedControl | null> {
  // The generated dialplan belongs to the Asterisk of this machine: the first that we may command.
  const pbx = config.pbx.find(({ ami }) => ami?.control != null);
  const session = pbx === undefined ? null : createControlSession(pbx, parts);
  if (session === null) return null;
  session.start();
  try {
    await session.command('core show version', 5000);
  } catch {
    const { message } = session.status();
    await session.stop();
    throw new NoControl(message);
  }
  return {
    control: { reload: () => session.reloadDialplan(), showContext: (name) => session.showDialplan(name) },
    close: () => session.stop(),
  };
}
