/** The looks at the installation that commands print, for the web interface. */
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import type { Config } from '../config.ts';
import type { Clock, Employee, Log } from '../core/ports.ts';
import { Rejected } from '../core/errors.ts';
import { readFolder, withoutHeader } from '../dialplan/files.ts';
import { generateDialplan } from '../dialplan/generate.ts';
import { TemplateError } from '../dialplan/render.ts';
import { createPatient } from '../doctor/patient.ts';
import { visit } from '../doctor/visit.ts';
import type { DialplanPreview, Examination } from '../web/ports.ts';

/** As `ringledger doctor`, with the configuration that the service runs with. */
export async function examineInstallation(
  config: Config,
  employees: readonly Employee[],
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<readonly Examination[]> {
  const loaded = { config, file: null, warnings: [], secretFiles: [], holdsSecrets: false };
  return visit(createPatient({ loaded, employees, ...parts }));
}

/** As `ringledger dialplan render` and `diff`. Throws `Rejected` when a template or the folder is at fault. */
export function previewDialplan(config: Config): DialplanPreview {
  const { folder } = config.dialplan;
  const surroundings = { extensions: config.numbering.extensions, timeZone: config.installation.timezone };
  try {
    const files = generateDialplan({ config: config.dialplan, surroundings });
    return { folder, files, difference: differenceOf(folder, files) };
  } catch (error) {
    if (error instanceof TemplateError) throw new Rejected(error.message);
    throw error;
  }
}

function differenceOf(folder: string, files: DialplanPreview['files']): string {
  const present = new Map(readFolder(folder).map(({ name, text }) => [name, withoutHeader(text)]));
  const wanted = new Map(files.map(({ name, text }) => [name, text]));
  return [...new Set([...present.keys(), ...wanted.keys()])]
    .sort()
    .filter((name) => present.get(name) !== wanted.get(name))
    .map((name) =>
      createTwoFilesPatch(
        present.has(name) ? join(folder, name) : '/dev/null',
        wanted.has(name) ? `${name} (generated now)` : '/dev/null',
        present.get(name) ?? '',
        wanted.get(name) ?? '',
      ).replace(/^=+\n/, ''),
    )
    .join('\n');
}
