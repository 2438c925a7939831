/** What every part of the running service stands on. */
import type { Config } from '../../config.ts';
import type { Clock, Log } from '../../core/ports.ts';
import type { Database } from '../../storage/connection.ts';
import type { createNumbering } from '../foundations.ts';

/** Who works here, what numbers mean, where things are kept; and what is done when the service stops. */
export interface Ground extends ReturnType<typeof createNumbering> {
  readonly config: Config;
  /** This process among those that share the database. */
  readonly node: string;
  readonly database: Database;
  /** Beside the database: secrets, hooks, recordings, what the service remembers in files. */
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Steps of a stop are done one after the other, the last one first. */
  onStop(step: () => Promise<unknown> | unknown): void;
}
