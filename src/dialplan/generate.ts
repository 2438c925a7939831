import { existsSync } from 'node:fs';
import type { DialplanConfig } from './config.ts';
import type { CheckedPlace } from './check.ts';
import { buildModel, type DialplanSurroundings } from './model.ts';
import { compileTemplates, shippedTemplatesFolder, type RenderedFile } from './render.ts';

/** Settings, and what the dialplan needs of the rest of the installation. */
export interface DialplanSettings {
  readonly config: DialplanConfig;
  readonly surroundings: DialplanSurroundings;
}

/** From settings to files: the shipped templates with the owner's over them. Throws `TemplateError`. */
export function generateDialplan({ config, surroundings }: DialplanSettings): RenderedFile[] {
  const owner = existsSync(config.templatesFolder) ? config.templatesFolder : null;
  return compileTemplates({ shipped: shippedTemplatesFolder(), owner }).render(buildModel(config, surroundings));
}

/** Where the files go and from where they are included. */
export function placeOfDialplan({ folder, asteriskFolder, includeFrom, variant }: DialplanConfig): CheckedPlace {
  return {
    folder,
    asteriskFolder,
    includeFrom: includeFrom ?? (variant === 'freepbx' ? 'extensions_custom.conf' : 'extensions.conf'),
  };
}
