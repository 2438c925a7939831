import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RequestState } from '../../src/core/click-to-call.ts';
import { startPostgresCluster, type PostgresCluster } from '../support/postgres-cluster.ts';
import { readRecordedStories } from '../support/recorded-traffic.ts';
import { ReplayedPbx, replayedConfig } from '../support/replayed-pbx.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const story = readRecordedStories('asterisk-22').find(({ name }) => name === 'click-to-call-answered')!;
const number = '+79161110002';

interface Node extends ServiceProcess {
  readonly token: string;
}

describe('a click on any of the nodes that share one PostgreSQL', function () {
  this.timeout(180_000);
  let folder: string;
  let cluster: PostgresCluster;
  let pbx: ReplayedPbx;
  /** Ids of the requests for which a phone rang. */
  let rung: string[];
  let following: Node;
  let standby: Node;
  const closing: (() => Promise<unknown> | unknown)[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-clicks-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    cluster = await startPostgresCluster();
    closing.push(() => cluster.remove());
    pbx = await ReplayedPbx.start(join(folder, 'cel.csv'));
    closing.push(() => pbx.stop());
    rung = [];
    pbx.onOriginate = (action) => {
      const requestId = action.get('Variable').replace('__RL_REQUEST_ID=', '');
      rung.push(requestId);
      pbx.play(story, { serial: rung.length, requestId });
    };
    following = await startNode('a');
    await until(() => hasRole(following), { timeoutMs: 15_000, what: 'the first node follows the PBX' });
    standby = await startNode('b');
    assert.equal(hasRole(standby), false);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function startNode(name: string): Promise<Node> {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const node = await ServiceProcess.start(home, {
      ...replayedConfig(pbx, { kind: 'postgres', url: cluster.urlOf('postgres') }, { commands: true }),
      installation: { name, country: 'RU', timezone: 'UTC' },
      http: { port: 0, localTokenFile: join(home, 'api-token') },
    });
    closing.push(() => node.kill());
    return Object.assign(node, { token: readFileSync(join(home, 'api-token'), 'utf8').trim() });
  }
  const hasRole = (node: ServiceProcess) =>
    node.log.some(({ msg, role }) => msg === 'This node has the role' && role === 'pbx:pbx');

  async function ask(node: Node, path: string, body?: unknown) {
    const response = await fetch(`http://127.0.0.1:${node.httpPort}/api/v1/${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${node.token}`, 'content-type': 'application/json' },
    });
    return { status: response.status, body: (await response.json()) as RequestState & { error?: { code: string } } };
  }
  const click = (node: Node, extension = '101') => ask(node, 'click-to-call', { extension, number });
  const phaseOf = async (node: Node, requestId: string) => (await ask(node, `click-to-call/${requestId}`)).body.phase;

  it('places the call, and every node tells how far it is', async () => {
    const { status, body } = await click(standby);
    assert.equal(status, 202, JSON.stringify(body));
    assert.deepEqual(rung, [body.requestId]);
    for (const phase of ['talking', 'ended']) {
      for (const node of [standby, following]) {
        await until(async () => (await phaseOf(node, body.requestId)) === phase, {
          timeoutMs: 20_000,
          what: `the call is ${phase}`,
        });
      }
    }
    const { body: listed } = await ask(following, 'click-to-call');
    const { items } = listed as unknown as { items: RequestState[] };
    assert.deepEqual(
      items.map(({ requestId, requester }) => [requestId, requester]),
      [[body.requestId, 'api']],
    );
    // The phone is free again, for a click on either.
    assert.equal((await click(following, '102')).status, 202);
  });

  it('rings once for a click that comes to both, at once or after one of them has died', async () => {
    const answers = await Promise.all([following, standby, following, standby].map((node) => click(node)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [202, 409, 409, 409]);
    assert.equal(rung.length, 1);
    // Who heard no answer asks the other.
    const placed = click(following, '102').catch(() => null);
    await until(() => rung.length === 2);
    await following.kill();
    await placed;
    const again = await click(standby, '102');
    assert.deepEqual([again.status, again.body.error?.code, rung.length], [409, 'duplicate', 2]);
  });

  it('tells of the call to its end though the node that follows it dies meanwhile', async () => {
    const { body } = await click(standby);
    await until(async () => (await phaseOf(standby, body.requestId)) === 'talking', {
      timeoutMs: 20_000,
      what: 'they talk',
    });
    await following.kill();
    await until(async () => (await phaseOf(standby, body.requestId)) === 'ended', {
      timeoutMs: 40_000,
      what: 'the end is told',
    });
    assert.equal(rung.length, 1);
  });

  it('places calls while no node follows the PBX', async () => {
    await following.kill();
    assert.equal((await click(standby)).status, 202);
    assert.equal((await click(standby)).status, 409);
    assert.equal(rung.length, 1);
  });
});
