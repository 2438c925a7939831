import type { PbxSource } from '../core/ports.ts';
import { asteriskConfig, type AsteriskConfig } from './asterisk/config.ts';
import { AsteriskSource, type AsteriskParts } from './asterisk/source.ts';

/** What a phone system may stand on; each takes what it needs. */
export type PbxParts = AsteriskParts;

/** Every kind of phone system: its settings, and how it is built from settings that have passed. The only list. */
export const pbxKinds = {
  asterisk: {
    config: asteriskConfig,
    create: (config: AsteriskConfig, parts: PbxParts): PbxSource => new AsteriskSource(config, parts),
  },
} as const;

export type PbxKind = keyof typeof pbxKinds;
