import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { ConfigError } from '../../../src/config/fault.ts';
import { parseConfig } from '../../../src/config.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

describe('the settings of an amoCRM or Kommo account', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-kommo-'));
    mkdirSync(join(folder, 'secrets'));
    for (const name of ['token', 'client-secret', 'encryption', 'widget']) {
      writeFileSync(join(folder, 'secrets', `amo-${name}`), name.padEnd(64, 'x'));
    }
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const parse = (text: string) => parseConfig({ file: join(folder, 'ringledger.yaml'), text, env: {} }).config;
  const faultsOf = (settings: object): string[] => {
    try {
      parse(stringify({ crm: [{ name: 'amo', kind: 'kommo', settings }] }));
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.faults.map(({ path, message }) => `${path}: ${message}`);
    }
  };

  it('are written as the page that explains them says', () => {
    const page = readFileSync(join(root, 'docs/connect-kommo.md'), 'utf8');
    const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!);
    assert.ok(examples.length >= 6);
    for (const text of examples) {
      if (!text.startsWith('settings:')) {
        const [crm] = parse(text).crm;
        assert.equal(crm!.kind, 'kommo');
        continue;
      }
      const indented = text.replaceAll(/^/gm, '    ');
      const whole = `crm:\n  - name: amo\n    kind: kommo\n${indented}\n      account: company.amocrm.ru\n      longLivedToken: x\n`;
      assert.equal(parse(whole).crm[0]!.kind, 'kommo');
    }
  });

  it('take an account by its bare name, and give it with its scheme', () => {
    const config = parse(
      stringify({
        crm: [{ name: 'amo', kind: 'kommo', settings: { account: 'company.kommo.com', longLivedToken: 'x' } }],
      }),
    );
    const [crm] = config.crm;
    assert.ok(crm?.kind === 'kommo');
    assert.equal(crm.settings.account, 'https://company.kommo.com');
  });

  it('are refused where the token would travel in the clear, or to somewhere that is no account', () => {
    for (const account of [
      'http://company.amocrm.ru',
      'https://user:word@company.amocrm.ru',
      'https://company.amocrm.ru/leads',
      'company',
      'ftp://company.amocrm.ru',
      '',
    ]) {
      assert.match(
        faultsOf({ account, longLivedToken: 'x' }).join(),
        /settings\.account: .*address of the account/,
        account,
      );
    }
  });

  it('need one way of access, and only one', () => {
    const oauth = {
      clientId: 'a',
      clientSecret: 'b',
      redirectUri: 'https://pbx.example.org/',
      encryptionSecret: 'c'.repeat(32),
    };
    const account = 'company.amocrm.ru';
    assert.match(faultsOf({ account }).join(), /either longLivedToken/);
    assert.match(faultsOf({ account, oauth, longLivedToken: 'x' }).join(), /either longLivedToken/);
    assert.deepEqual(faultsOf({ account, oauth }), []);
    assert.match(faultsOf({ account, oauth: { ...oauth, encryptionSecret: 'short' } }).join(), /openssl rand/);
    assert.match(faultsOf({ account, longLivedToken: 'x', requestsPerSecond: 20 }).join(), /requestsPerSecond/);
  });
});
