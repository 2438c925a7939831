/** The configuration file as the web interface edits it: read without secrets, checked as at the start, saved, gone back. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createTwoFilesPatch } from 'diff';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { configOutline, configSchema, parseConfig, type Config } from '../config.ts';
import { CannotEdit, editYaml } from '../config/edit-yaml.ts';
import { readEnvironment } from '../config/environment.ts';
import { readExampleWords } from '../config/example-words.ts';
import { ConfigError, type ConfigFault } from '../config/fault.ts';
import { MaskedTexts } from '../config/masked-text.ts';
import { isSecretKey, maskSecrets } from '../config/secrets.ts';
import { replaceSecretFile, SettingsChanged, SettingsFile, whyNotWritable } from '../config/settings-file.ts';
import { readYaml } from '../config/yaml-source.ts';
import { Rejected } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { Turns } from '../core/turns.ts';
import { WebFault } from '../web/fault.ts';
import { shippedFile } from './shipped-file.ts';
import type { SettingFault, SettingsDoor, SettingsDraft, SettingsObstacle, SettingsSave } from '../web/ports.ts';

/** Where this process took its settings from. */
export interface SettingsOrigin {
  /** Null: there was no file. */
  readonly file: string | null;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Ends the process in order, so that its manager starts it again; null: nobody would. */
  readonly restart: (() => void) | null;
}

export interface InstalledSettings {
  readonly door: SettingsDoor;
  /** As the file says now; what this process runs with when the file is at fault. */
  current(): Config;
}

export function createSettings(
  running: Config,
  parts: { readonly origin: SettingsOrigin; readonly stateFolder: string; readonly clock: Clock },
): InstalledSettings {
  const { origin, clock } = parts;
  // Found at the next start, as the file that was not there at this one.
  const path = origin.file ?? resolve(origin.cwd, 'ringledger.yaml');
  const file = new SettingsFile(path, join(parts.stateFolder, 'settings'));
  const texts = new MaskedTexts();
  const turns = new Turns();
  const parse = (text: string) => parseConfig({ file: path, text, env: origin.env, cwd: origin.cwd });

  function current(): Config {
    try {
      return parse(file.read().text).config;
    } catch (error) {
      if (error instanceof ConfigError) return running;
      throw error;
    }
  }

  function faultsOf(text: string): SettingFault[] {
    try {
      parse(text);
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.faults.map(toFault);
    }
  }
  const toFault = (fault: ConfigFault): SettingFault => ({
    line: fault.line,
    column: fault.column,
    path: fault.path,
    variable: fault.file === path ? null : fault.file,
    message: texts.clean(fault.message),
  });

  /** `text` has its secrets; what comes out has not. */
  function describe(text: string, faults: readonly SettingFault[]): SettingsDraft {
    const masked = texts.mask(text);
    const present = texts.mask(file.read().text) ?? '';
    const shown = masked ?? text;
    const source = readYaml(shown, path, configOutline);
    return {
      text: shown,
      values: masked === null || source.faults.length > 0 ? null : (source.value ?? {}),
      faults,
      difference:
        shown === present ? '' : createTwoFilesPatch(path, 'to be saved', present, shown, '', '').replace(/^=+\n/, ''),
    };
  }

  /** The text with its secrets, and everything that is wrong with it. */
  function examine(masked: string, secrets: SettingsSave['secrets']) {
    const isYaml = readYaml(masked, path, configOutline).faults.length === 0;
    if (!isYaml) return { text: masked, faults: faultsOf(masked) };
    const { text, strangers } = texts.unmask(masked);
    const unknown = strangers.map(({ line }): SettingFault => {
      const message = 'this placeholder stands for no secret that is known here; write the secret itself';
      return { line, column: null, path: '', variable: null, message };
    });
    // Secrets that go to files of their own are checked as if they stood here.
    const whole = secrets.reduce((written, secret) => {
      const key = String(secret.path.at(-1));
      const above = secret.path.slice(0, -1);
      const bare = editYaml(written, { path: [...above, `${key}File`] });
      return editYaml(bare, { path: secret.path, value: secret.value });
    }, text);
    return { text, faults: [...unknown, ...faultsOf(whole)] };
  }

  /** The file that holds a secret by itself; only those below the configuration's own folder are written. */
  function secretFileOf(text: string, secretPath: readonly (string | number)[]): string {
    const key = `${String(secretPath.at(-1))}File`;
    const name: unknown = parseDocument(text, { logLevel: 'silent', stringKeys: true }).getIn([
      ...secretPath.slice(0, -1),
      key,
    ]);
    if (typeof name !== 'string') throw new Rejected(`${secretPath.join('.')} does not stand in a file of its own`);
    const folder = realpathSync(dirname(path));
    const wanted = resolve(dirname(path), name);
    const place = existsSync(wanted)
      ? realpathSync(wanted)
      : existsSync(dirname(wanted))
        ? join(realpathSync(dirname(wanted)), wanted.slice(dirname(wanted).length + 1))
        : wanted;
    const inside = relative(folder, place);
    if (inside === '' || inside.startsWith('..') || inside.startsWith('/') || place === realpathOrSame(path))
      throw new Rejected(`${name} is outside of ${folder}: replace the secret there on the server`);
    return place;
  }

  async function write(text: string, hash: string, secrets: SettingsSave['secrets']): Promise<void> {
    if (file.read().hash !== hash) throw changedMeanwhile();
    const places = secrets.map((secret) => ({ place: secretFileOf(text, secret.path), value: secret.value }));
    try {
      for (const { place, value } of places) await replaceSecretFile(place, value);
      await file.save(text, hash, clock.now());
    } catch (error) {
      if (error instanceof SettingsChanged) throw changedMeanwhile();
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== undefined) throw new Rejected(`It could not be written: ${message}`);
      throw error;
    }
  }

  const door: SettingsDoor = {
    async read() {
      const { text, hash } = file.read();
      const masked = texts.mask(text);
      const environment = readEnvironment(origin.env, configOutline, readYaml(masked ?? '', path, configOutline).value);
      const faults = faultsOf(text);
      return {
        file: existsSync(path) ? path : null,
        obstacle: masked === null ? notYaml(path, faults) : obstacleOf(path, origin),
        hash,
        // Where secrets stand in it, nobody can tell.
        draft: masked === null ? { text: '', values: null, faults, difference: '' } : describe(text, faults),
        schema: describeSchema(),
        effective: maskSecrets(running),
        overridden: environment.overrides.map(({ path: setting, variable }) => ({ path: setting, variable })),
        isRestartDue: faults.length > 0 || !isDeepStrictEqual(parse(text).config, running),
        canRestart: origin.restart !== null,
      };
    },
    async draft({ text, edits, secrets }) {
      try {
        const edited = edits.reduce((written, edit) => editYaml(written, edit), text);
        const examined = examine(edited, secrets);
        return describe(examined.text, examined.faults);
      } catch (error) {
        throw error instanceof CannotEdit ? new Rejected(error.message) : error;
      }
    },
    async save({ hash, text: masked, secrets }) {
      const obstacle = obstacleOf(path, origin);
      if (obstacle !== null) throw new WebFault(409, obstacle.reason, obstacle.message);
      const { text, faults } = examine(masked, secrets);
      if (faults.length > 0) return { faults, isSaved: false };
      // Who comes second finds the file changed, and must not have replaced a secret before.
      await turns.take(path, () => write(text, hash, secrets));
      return { faults: [], isSaved: true };
    },
    async history() {
      return file.list();
    },
    async former(id) {
      const text = file.readFormer(id);
      if (text === null) return null;
      if (texts.mask(text) === null) throw new Rejected('This version is no YAML; look at it on the server');
      return describe(text, faultsOf(text));
    },
    async restart() {
      if (origin.restart === null)
        throw new WebFault(409, 'not_managed', 'Nobody would start the service again; restart it on the server.');
      origin.restart();
    },
  };
  return { door, current };
}

const realpathOrSame = (path: string) => (existsSync(path) ? realpathSync(path) : path);

const changedMeanwhile = () =>
  new WebFault(
    409,
    'changed',
    'The file was changed by somebody else meanwhile. Load it again, then make your change anew.',
  );

function notYaml(path: string, faults: readonly SettingFault[]): SettingsObstacle {
  const [first] = faults;
  const where = first?.line == null ? '' : ` (line ${first.line}: ${first.message})`;
  return {
    reason: 'not_yaml',
    message: `${path} is not valid YAML${where}. Mend it on the server: nobody can tell where secrets stand in it.`,
    commands: ['ringledger config check'],
  };
}

function obstacleOf(path: string, { file, env }: SettingsOrigin): SettingsObstacle | null {
  const code = whyNotWritable(path);
  if (code === null) return null;
  const folder = dirname(path);
  const { username } = userInfo();
  const isManaged = env['INVOCATION_ID'] !== undefined || env['NOTIFY_SOCKET'] !== undefined;
  const dropIn = '/etc/systemd/system/ringledger.service.d';
  const allow = isManaged
    ? [
        `install -D -m 0644 /opt/ringledger/packaging/systemd/edit-settings.conf ${dropIn}/edit-settings.conf`,
        'systemctl daemon-reload && systemctl restart ringledger',
      ]
    : [];
  if (file === null) {
    return {
      reason: 'no_file',
      message: `The service runs without a configuration file, with everything at its default, and may not make one in ${folder}.`,
      commands: [
        `install -d -m 0750 -o ${username} -g ${username} /etc/ringledger`,
        `install -m 0640 -o ${username} -g ${username} /opt/ringledger/ringledger.example.yaml /etc/ringledger/ringledger.yaml`,
        ...allow,
      ],
    };
  }
  const isReadOnly = code === 'EROFS';
  return {
    reason: isReadOnly ? 'read_only' : 'not_ours',
    message: isReadOnly
      ? `The service sees ${folder} read-only, as it should unless you want to change settings here.`
      : `${path} belongs to somebody else (the service runs as ${username}), as it should unless you want to change settings here.`,
    commands: [`chown -R ${username}: ${folder}`, ...allow],
  };
}

/** JSON Schema of the file, its secrets marked `writeOnly`; what the schema does not explain, the example file does. */
export function describeSchema(): object {
  const words = readExampleWords(readFileSync(shippedFile('ringledger.example.yaml'), 'utf8'));
  const explain = (schema: z.core.JSONSchema.BaseSchema, path: string): void => {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      if (typeof property !== 'object') continue;
      const place = path === '' ? key : `${path}.${key}`;
      const said = words.get(place);
      if (property.description === undefined && said !== undefined) property.description = said;
      // The address of a database has its password in it.
      if (isSecretKey(key) || place === 'storage.url') property.writeOnly = true;
      explain(property, place);
    }
    const inner = [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flat();
    for (const part of inner) if (typeof part === 'object') explain(part, path);
  };
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' });
  explain(schema, '');
  return schema;
}
