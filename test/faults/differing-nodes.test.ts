import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PartStatus } from '../../src/core/ports.ts';
import { startPostgresCluster, type PostgresCluster } from '../support/postgres-cluster.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const hook = (reason: string) =>
  `export default async (input) => ({ ...input.data, need_registration: false, reason: '${reason}' });\n`;

describe('two nodes with hooks and settings of their own', function () {
  this.timeout(180_000);
  let folder: string;
  let cluster: PostgresCluster;
  const closing: (() => Promise<unknown> | unknown)[] = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-differing-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    cluster = await startPostgresCluster();
    closing.push(() => cluster.remove());
  });
  after(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function startNode(name: string, settings: object = {}): Promise<ServiceProcess> {
    mkdirSync(join(folder, name, 'hooks'), { recursive: true });
    const node = await ServiceProcess.start(join(folder, name), {
      installation: { name, country: 'RU', timezone: 'UTC' },
      storage: { kind: 'postgres', url: cluster.urlOf('postgres') },
      http: { port: 0, localTokenFile: join(folder, name, 'api-token') },
      agi: { port: 0 },
      hooks: { folder: join(folder, name, 'hooks') },
      ...settings,
    });
    closing.push(() => node.kill());
    return node;
  }
  const save = (name: string, text: string) => writeFileSync(join(folder, name, 'hooks', 'need_registration.js'), text);
  async function lineOf(node: ServiceProcess): Promise<PartStatus | undefined> {
    const response = await fetch(`http://127.0.0.1:${node.httpPort}/status`);
    const { parts } = (await response.json()) as { parts: readonly PartStatus[] };
    return parts.find(({ part }) => part === 'nodes');
  }
  const untilSaid = (node: ServiceProcess, pattern: RegExp) =>
    until(async () => pattern.test((await lineOf(node))?.message ?? ''), {
      timeoutMs: 30_000,
      what: `the node says ${pattern}`,
    });

  it('say in what they differ and how to mend it, until they do not', async () => {
    const a = await startNode('a');
    assert.equal(await lineOf(a), undefined, 'one node is nothing to tell of');
    save('a', hook('first'));
    const b = await startNode('b', { numbering: { extensions: ['_1XX'] } });
    await untilSaid(
      a,
      /^The node b@.* other hooks than this one: need_registration \(only here\)\. .*copy .*\/a\/hooks /,
    );
    await untilSaid(b, /need_registration \(only there\).* other settings than this one: numbering\. /);
    assert.equal((await lineOf(a))!.health, 'warning');

    save('b', hook('second'));
    await untilSaid(a, /other hooks than this one: need_registration\. /);
    save('b', hook('first'));
    await untilSaid(a, /^The node b@\S+ has other settings/);

    await b.stop();
    await startNode('b');
    await untilSaid(a, /^a@\S+, b@\S+ work with the same hooks and settings$/);
    assert.equal((await lineOf(a))!.health, 'ok');
  });
});
