import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askAgi } from '../support/agi-client.ts';
import { startPostgresCluster, type PostgresCluster } from '../support/postgres-cluster.ts';
import { diceOfThisRun } from '../support/random-seed.ts';
import { readRecordedStories } from '../support/recorded-traffic.ts';
import { cleanRun, differencesFrom, readLedger, untilSettled } from '../support/reckoning.ts';
import { ReplayedPbx, replayedConfig } from '../support/replayed-pbx.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { until } from '../support/until.ts';

const stories = readRecordedStories('asterisk-22').filter((story) => story.mobiles.length === 0);

describe('two nodes on one PostgreSQL', function () {
  this.timeout(180_000);
  let folder: string;
  let cluster: PostgresCluster;
  let pbx: ReplayedPbx;
  const closing: (() => Promise<unknown> | unknown)[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-nodes-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    cluster = await startPostgresCluster();
    closing.push(() => cluster.remove());
    pbx = await ReplayedPbx.start(join(folder, 'cel.csv'));
    closing.push(() => pbx.stop());
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  const storage = () => ({ kind: 'postgres', url: cluster.urlOf('postgres') }) as const;
  async function startNode(name: string): Promise<ServiceProcess> {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const node = await ServiceProcess.start(home, {
      ...replayedConfig(pbx, storage()),
      installation: { name, country: 'RU', timezone: 'UTC' },
      http: { port: 0, localTokenFile: join(home, 'api-token') },
    });
    closing.push(() => node.kill());
    return node;
  }
  const hasRole = (node: ServiceProcess) => node.log.some(({ msg }) => msg === 'This node has the role');
  const liveConnections = () => pbx.ami.connections.filter(({ isClosed }) => !isClosed).length;
  let serial = 0;
  const playSome = (count: number) => {
    for (let begun = 0; begun < count; begun++) {
      serial++;
      pbx.play(stories[(serial * 7) % stories.length]!, { serial });
    }
  };
  async function check(nodes: readonly ServiceProcess[]) {
    await until(() => pbx.isQuiet, { timeoutMs: 30_000, what: 'all stories are told' });
    const clean = await cleanRun(pbx.played);
    await untilSettled(storage(), clean, 60_000);
    const faults = differencesFrom(await readLedger(storage()), clean);
    for (const node of nodes) await node.stop();
    assert.deepEqual(faults, []);
  }

  it('follow each call once and pay each debt once, though the one that follows is killed again and again', async () => {
    const dice = diceOfThisRun();
    let [following, standby] = [await startNode('a'), await startNode('b')];
    let names = ['a', 'b'];
    await until(() => hasRole(following) && liveConnections() > 0);
    for (let kill = 0; kill < 3; kill++) {
      assert.equal(hasRole(standby), false, 'one node at a time follows the PBX');
      playSome(10);
      await delay(1_000 + dice() * 2_000);
      await following.kill();
      const killedAt = performance.now();
      await until(() => hasRole(standby) && liveConnections() > 0, { timeoutMs: 15_000, what: 'the other takes over' });
      assert.ok(performance.now() - killedAt < 10_000);
      [following, standby] = [standby, await startNode(names[0]!)];
      names = names.reverse();
    }
    await check([following, standby]);
  });

  it('show the calls of now alike, whichever follows them', async () => {
    const nodes = [await startNode('a'), await startNode('b')] as const;
    await until(() => hasRole(nodes[0]) && liveConnections() > 0);
    const leaving = new AbortController();
    const seen = nodes.map(() => '');
    const watching = nodes.map(async (node, index) => {
      const token = readFileSync(join(folder, 'ab'[index]!, 'api-token'), 'utf8').trim();
      const { body } = await fetch(`http://127.0.0.1:${node.httpPort}/api/v1/live`, {
        headers: { authorization: `Bearer ${token}` },
        signal: leaving.signal,
      });
      for await (const chunk of body!) seen[index] += Buffer.from(chunk).toString();
    });
    const story = stories.find(({ name }) => name === 'inbound-answered')!;
    const { linkedId } = (await cleanRun([pbx.play(story, { serial: 1 })]))[0]!;
    for (const [index, name] of ['a', 'b'].entries()) {
      await until(() => seen[index]!.includes(`"linkedId":"${linkedId}"`), { what: `${name} shows the call` });
      await until(() => seen[index]!.includes(`"gone":["pbx/${linkedId}"]`), { what: `${name} sees its end` });
    }
    leaving.abort();
    await Promise.allSettled(watching);
    await check(nodes);
  });

  it('answer callers and lose nothing while PostgreSQL is away, and when the other one takes over after that', async () => {
    const nodes = [await startNode('a'), await startNode('b')] as const;
    await until(() => hasRole(nodes[0]) && liveConnections() > 0);
    playSome(15);
    await delay(2_500);
    await cluster.crash();
    playSome(15);
    const answered: number[] = [];
    const awayUntil = performance.now() + 6_000;
    while (performance.now() < awayUntil) {
      for (const node of nodes) {
        const question = { port: node.agiPort, script: 'distribute', head: { agi_callerid: '79161230002' } };
        const { variables, tookMs } = await askAgi(question);
        assert.ok(['NOT_FOUND', 'FOUND', 'TIMEOUT', 'ERROR'].includes(variables['RL_STATUS'] ?? ''), 'an answer');
        answered.push(tookMs);
      }
      await delay(200);
    }
    assert.ok(answered.length >= 10 && Math.max(...answered) <= 1_500, `answered after ${Math.max(...answered)} ms`);
    // The one that spooled meanwhile is not there when the database is back, and comes again when the other follows.
    nodes[0].signal('SIGSTOP');
    closing.push(() => nodes[0].signal('SIGCONT'));
    await cluster.start();
    await until(() => hasRole(nodes[1]), { timeoutMs: 30_000, what: 'the other takes over' });
    playSome(10);
    nodes[0].signal('SIGCONT');
    await check(nodes);
  });
});
