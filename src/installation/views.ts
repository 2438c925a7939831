/** The looks at the installation that commands print, for the web interface. */
import type { Config } from '../config.ts';
import type { Clock, Employee, Log } from '../core/ports.ts';
import { createPatient } from '../doctor/patient.ts';
import { visit } from '../doctor/visit.ts';
import type { Examination } from '../web/ports.ts';

/** As `ringledger doctor`, with the configuration that the service runs with. */
export async function examineInstallation(
  config: Config,
  employees: readonly Employee[],
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<readonly Examination[]> {
  const loaded = { config, file: null, warnings: [], secretFiles: [], holdsSecrets: false };
  return visit(createPatient({ loaded, employees, ...parts }));
}
