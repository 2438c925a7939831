/** Renders the dialplan of a company with 10,000 extensions; the target is one second. Run: node --import tsx bench/dialplan.ts */
import { performance } from 'node:perf_hooks';
import { dialplanConfig } from '../src/dialplan/config.ts';
import { buildModel } from '../src/dialplan/model.ts';
import { compileTemplates, shippedTemplatesFolder } from '../src/dialplan/render.ts';
import { report } from './figure.ts';

const phones = 10_000;

const settings = {
  trunks: [{ name: 'provider', device: 'PJSIP/{number}@provider', callerId: '+74951234567' }],
  extensions: Array.from({ length: phones }, (_, index) => ({
    extension: String(10_000 + index),
    mailbox: index % 3 === 0 ? `${10_000 + index}@default` : null,
    forward: index % 5 === 0 ? { to: `+7916${String(1_000_000 + index)}` } : null,
  })),
  inbound: { numbers: Array.from({ length: 200 }, (_, index) => ({ number: String(7_000_000 + index) })) },
  groups: Array.from({ length: 200 }, (_, group) => ({
    name: `group-${group}`,
    members: Array.from({ length: 20 }, (_, member) => String(10_000 + group * 20 + member)),
  })),
};

function once(): { readonly ms: number; readonly lines: number } {
  const startedAt = performance.now();
  const config = dialplanConfig.parse(settings);
  const model = buildModel(config, { extensions: ['_1XXXX'], timeZone: 'Europe/Moscow' });
  const files = compileTemplates({ shipped: shippedTemplatesFolder(), owner: null }).render(model);
  const ms = performance.now() - startedAt;
  return { ms, lines: files.reduce((sum, { text }) => sum + text.split('\n').length, 0) };
}

const runs = Array.from({ length: 5 }, once);
const [first] = runs;
const median = runs.map(({ ms }) => ms).sort((a, b) => a - b)[2]!;
report({
  what: `dialplan of ${phones.toLocaleString('en')} extensions (${first!.lines.toLocaleString('en')} lines) rendered, the first time`,
  value: first!.ms,
  unit: 'ms',
  target: { atMost: 1_000 },
});
report({ what: 'the same again', value: median, unit: 'ms' });
