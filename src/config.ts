import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { agiServerConfig, callerNameConfig, distributionConfig } from '../agi/config.ts';
import { clickToCallConfig } from './config/click-to-call.ts';
import { applyOverrides, readEnvironment, type Override } from './config/environment.ts';
import {
  ConfigError,
  explainIssues,
  findUnknownKeys,
  formatPath,
  valueAt,
  type ConfigFault,
  type UnplacedFault,
} from './config/fault.ts';
import { outlineOf } from './config/outline.ts';
import { hasSecrets, readSecretFiles } from './config/secrets.ts';
import { workingHoursSchema } from './config/working-hours.ts';
import { readYaml } from './config/yaml-source.ts';
import type { Employee } from './core/ports.ts';
import { crmKinds } from './crm/index.ts';
import { registrationConfig } from './crm/rules-config.ts';
import { dialplanConfig } from './dialplan/config.ts';
import { hooksConfig } from './hooks/config.ts';
import { numberingConfig } from './numbering/config.ts';
import { pbxKinds } from './pbx/index.ts';
import { recordingsConfig } from './recordings/config.ts';
import { databaseConfigSchema } from './storage/config.ts';
import { httpConfig, metricsConfig } from './web/config.ts';

const installationConfig = z
  .strictObject({
    name: z.string().min(1).default('ringledger').describe('Name of this node in logs and leases'),
    country: z.string().toUpperCase().length(2, 'is not a two-letter country code such as RU').default('RU'),
    timezone: z
      .string()
      .refine(isTimeZone, 'is not a time zone; write one such as Europe/Moscow')
      .default(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    language: z.enum(['en', 'ru']).default('en').describe('Language of task texts and notes'),
    workingHours: workingHoursSchema.nullable().default(null).describe('Hours of all users who have none of their own'),
  })
  .prefault({});

const userConfig = z.strictObject({
  id: z.string().min(1).describe("The user's id in the CRM"),
  name: z.string().min(1),
  extensions: z.array(z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension; digits only')).default([]),
  deputies: z.array(z.string().min(1)).default([]).describe('User ids to try in this order'),
  mobile: z.string().min(1).nullable().default(null),
  email: z.email().nullable().default(null),
  workingHours: workingHoursSchema.nullable().default(null),
  active: z.boolean().default(true),
});

const callsConfig = z
  .strictObject({
    internal: z
      .enum(['keep', 'drop'])
      .default('keep')
      .describe('Calls between employees stay in the ledger, or are left out'),
  })
  .prefault({});

const ofEveryCrm = {
  name: z.string().min(1).describe('Deliveries carry it: keep it once calls were delivered'),
  registration: registrationConfig
    .nullable()
    .default(null)
    .describe('Rules of this CRM alone; null: as the section registration'),
};
const localCrmEntry = z.strictObject({ ...ofEveryCrm, kind: z.literal('local'), settings: crmKinds.local.config });
const kommoCrmEntry = z.strictObject({ ...ofEveryCrm, kind: z.literal('kommo'), settings: crmKinds.kommo.config });

const retailcrmEntry = z.strictObject({
  ...ofEveryCrm,
  kind: z.literal('retailcrm'),
  settings: crmKinds.retailcrm.config,
});

const logConfig = z
  .strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    pretty: z.boolean().default(false).describe('Lines for people instead of JSON'),
  })
  .prefault({});

/** The whole configuration file; each room's part is that room's own schema. */
export const configSchema = z.strictObject({
  installation: installationConfig,
  numbering: numberingConfig,
  storage: databaseConfigSchema,
  pbx: z.array(z.discriminatedUnion('kind', [pbxKinds.asterisk.config])).default([]),
  users: z.array(userConfig).default([]),
  calls: callsConfig,
  crm: z
    .array(z.discriminatedUnion('kind', [localCrmEntry, kommoCrmEntry, retailcrmEntry]))
    .default([{ name: 'local', kind: 'local', settings: crmKinds.local.config.parse(undefined), registration: null }]),
  registration: registrationConfig,
  agi: agiServerConfig,
  distribution: distributionConfig,
  callerName: callerNameConfig,
  clickToCall: clickToCallConfig,
  hooks: hooksConfig,
  dialplan: dialplanConfig,
  recordings: recordingsConfig,
  http: httpConfig,
  metrics: metricsConfig,
  log: logConfig,
});

export type Config = z.output<typeof configSchema>;

/** What may stand where in the file. */
export const configOutline = outlineOf(configSchema);
const outline = configOutline;

export interface LoadedConfig {
  readonly config: Config;
  /** Null: there is no file, everything is at its default. */
  readonly file: string | null;
  /** Environment variables that look like settings and are none. */
  readonly warnings: readonly string[];
  /** Files that secrets were read from. */
  readonly secretFiles: readonly string[];
  /** The configuration file itself has secrets in it. */
  readonly holdsSecrets: boolean;
}

export interface ConfigSearch {
  /** As given with `--config`. */
  readonly file?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** `--config`, `RINGLEDGER_CONFIG`, `./ringledger.yaml`, `/etc/ringledger/ringledger.yaml`; null: none of the last two exists. */
export function findConfigFile({ file, env, cwd }: ConfigSearch): string | null {
  const named = file ?? env['RINGLEDGER_CONFIG'];
  if (named !== undefined && named !== '') return resolve(cwd, named);
  return (
    [resolve(cwd, 'ringledger.yaml'), '/etc/ringledger/ringledger.yaml'].find((place) => existsSync(place)) ?? null
  );
}

/** Reads, completes and checks the configuration. Throws `ConfigError` with every fault that was found. */
export function loadConfig(search: ConfigSearch): LoadedConfig {
  const file = findConfigFile(search);
  return parseConfig({ file, text: file === null ? '' : readConfigFile(file), env: search.env, cwd: search.cwd });
}

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    throw new ConfigError([{ file, line: null, column: null, path: '', message: reason }]);
  }
}

/** As `loadConfig`, of a text. `file` is named in faults, and relative paths start from its folder. */
export function parseConfig(given: {
  readonly file: string | null;
  readonly text: string;
  readonly env: NodeJS.ProcessEnv;
  /** Where the database goes when there is no file; default: the working folder. */
  readonly cwd?: string;
}): LoadedConfig {
  const { file, text, env } = given;
  const source = readYaml(text, file ?? 'configuration', outline);
  if (source.faults.length > 0) throw new ConfigError(source.faults);

  const environment = readEnvironment(env, outline, source.value);
  const overridden = applyOverrides(source.value ?? {}, environment.overrides);
  const secrets = readSecretFiles(overridden, outline, file);
  const written = completeSections(secrets.value, file, given.cwd ?? process.cwd());

  const checked = configSchema.safeParse(written);
  // A setting whose file could not be read is not missing as well.
  const unread = new Set(secrets.faults.map((fault) => formatPath(fault.path).replace(/File$/, '')));
  const unplaced: UnplacedFault[] = [
    ...findUnknownKeys(written, outline),
    ...secrets.faults,
    ...(checked.success ? [] : explainIssues(checked.error.issues, written, outline)).filter(
      (fault) => !unread.has(formatPath(fault.path)),
    ),
    ...findContradictions(written),
  ].reduce<UnplacedFault[]>((told, fault) => {
    // The number plan's country is the installation's unless it has its own: told once, where it is written.
    const isBorrowed =
      formatPath(fault.path) === 'numbering.country' && valueAt(secrets.value, fault.path) === undefined;
    const found = isBorrowed ? { ...fault, path: ['installation', 'country'] } : fault;
    const isTold = isBorrowed && told.some(({ path }) => formatPath(path) === 'installation.country');
    return isTold ? told : [...told, found];
  }, []);
  const place = (fault: UnplacedFault): ConfigFault => {
    const path = formatPath(fault.path);
    const override = environment.overrides.find(({ path: set }) =>
      set.every((key, index) => fault.path[index] === key),
    );
    if (override !== undefined)
      return { file: override.variable, line: null, column: null, path, message: fault.message };
    const position = source.positionOf(fault.path, fault.isAboutKey ? 'key' : 'value');
    return { file, line: position?.line ?? null, column: position?.column ?? null, path, message: fault.message };
  };
  const faults = [
    ...unplaced
      .map(place)
      .sort((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity) || (a.column ?? 0) - (b.column ?? 0)),
    ...environment.faults.map(({ variable, message }) => ({
      file: variable,
      line: null,
      column: null,
      path: '',
      message,
    })),
  ];
  if (faults.length > 0 || !checked.success) throw new ConfigError(faults);
  return {
    config: checked.data,
    file,
    warnings: environment.unknown.map(({ variable, message }) => `${variable} ${message}`),
    secretFiles: [...environment.files, ...secrets.files],
    holdsSecrets: hasSecrets(source.value),
  };
}

/**
 * What one section takes from another or from where the file stands: the number plan's country from the installation;
 * the database's kind from its settings; its place from the file's (/var/lib/ringledger for a file in /etc, else `data` beside it).
 */
function completeSections(written: unknown, file: string | null, cwd: string): unknown {
  if (typeof written !== 'object' || Array.isArray(written)) return written;
  const completions: Override[] = [];
  const complete = (path: readonly string[], value: unknown) => completions.push({ path, value, variable: '' });

  const country = valueAt(written, ['installation', 'country']);
  if (typeof country === 'string' && valueAt(written, ['numbering', 'country']) === undefined) {
    complete(['numbering', 'country'], country);
  }
  const storage = valueAt(written, ['storage']) ?? {};
  if (typeof storage === 'object') {
    const { kind = 'url' in storage ? 'postgres' : 'sqlite', path } = storage as { kind?: unknown; path?: unknown };
    complete(['storage', 'kind'], kind);
    const folder = file === null ? cwd : dirname(file);
    if (kind === 'sqlite' && path === undefined)
      complete(['storage', 'path'], resolve(stateFolder(file, cwd), 'ringledger.db'));
    if (kind === 'sqlite' && typeof path === 'string' && path !== ':memory:')
      complete(['storage', 'path'], resolve(folder, path));
  }
  for (const setting of ['folder', 'versionsFolder']) {
    const path = valueAt(written, ['hooks', setting]);
    if (typeof path === 'string') complete(['hooks', setting], resolve(file === null ? cwd : dirname(file), path));
  }
  return applyOverrides(written, completions);
}

function stateFolder(file: string | null, cwd: string): string {
  if (file?.startsWith('/etc/')) return '/var/lib/ringledger';
  return resolve(file === null ? cwd : dirname(file), 'data');
}

/**
 * What no single section can see: names that must differ or must exist. Works on what is written, so that these faults
 * are told together with all others.
 */
function findContradictions(written: unknown): UnplacedFault[] {
  const users = listAt(written, 'users');
  return [
    ...findRepeated(written, 'users', 'id'),
    ...findRepeated(written, 'pbx', 'name'),
    ...findRepeated(written, 'crm', 'name'),
    ...findSharedExtensions(users),
    ...findUnknownDeputies(users),
    ...findRepeated(valueAt(written, ['http']), 'tokens', 'name', ['http']),
  ];
}

function listAt(written: unknown, key: string): unknown[] {
  const list = valueAt(written, [key]);
  return Array.isArray(list) ? list : [];
}

function findRepeated(written: unknown, section: string, key: string, above: readonly string[] = []): UnplacedFault[] {
  const seen = new Map<unknown, number>();
  return listAt(written, section).flatMap((item, index) => {
    const name = valueAt(item, [key]);
    if (typeof name !== 'string') return [];
    const first = seen.get(name);
    if (first === undefined) {
      seen.set(name, index);
      return [];
    }
    const message = `'${name}' is used already by ${formatPath([...above, section, first])}; each needs its own`;
    return [{ path: [...above, section, index, key], isAboutKey: false, message }];
  });
}

function findSharedExtensions(users: readonly unknown[]): UnplacedFault[] {
  const owners = new Map<string, number>();
  return users.flatMap((user, index) => {
    const extensions = valueAt(user, ['extensions']);
    if (!Array.isArray(extensions)) return [];
    return extensions.flatMap((extension: unknown, position) => {
      const owner = owners.get(String(extension));
      if (owner === undefined) {
        owners.set(String(extension), index);
        return [];
      }
      const message = `extension ${String(extension)} belongs already to users[${owner}]; an extension has one user`;
      return [{ path: ['users', index, 'extensions', position], isAboutKey: false, message }];
    });
  });
}

function findUnknownDeputies(users: readonly unknown[]): UnplacedFault[] {
  const ids = new Set(users.map((user) => valueAt(user, ['id'])));
  return users.flatMap((user, index) => {
    const deputies = valueAt(user, ['deputies']);
    if (!Array.isArray(deputies)) return [];
    return deputies.flatMap((deputy: unknown, position) => {
      const path = ['users', index, 'deputies', position];
      if (deputy === valueAt(user, ['id']))
        return [{ path, isAboutKey: false, message: 'a user cannot be their own deputy' }];
      if (ids.has(deputy)) return [];
      return [{ path, isAboutKey: false, message: `there is no user with the id '${String(deputy)}'` }];
    });
  });
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The configured users as the core knows them. */
export function employeesOf(config: Config): Employee[] {
  return config.users.map((user) => ({
    id: user.id,
    name: user.name,
    extensions: user.extensions,
    email: user.email,
    deputies: user.deputies,
    mobile: user.mobile,
    isActive: user.active,
    workingHours: user.workingHours ?? config.installation.workingHours,
  }));
}

/** The file with the token of the command line on this machine. */
export function localTokenFile(config: Config): string {
  if (config.http.localTokenFile !== null) return config.http.localTokenFile;
  const { storage } = config;
  const folder =
    storage.kind === 'sqlite' && storage.path !== ':memory:' ? dirname(storage.path) : '/var/lib/ringledger';
  return resolve(folder, 'api-token');
}
