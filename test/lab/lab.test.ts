import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startLab, type Lab } from '../support/lab/lab.ts';
import { CannotProvision, provision } from '../support/lab/provision.ts';
import { answer, hangUp, ring, stay, talk } from '../support/lab/script.ts';

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}
function canBindUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((done) => {
    socket.once('error', () => done(false));
    socket.bind(port, '127.0.0.1', () => socket.close(() => done(true)));
  });
}
/** The loudest sample of a 16-bit WAV file. */
function loudnessOf(file: string): number {
  const sound = readFileSync(file).subarray(44);
  let loudest = 0;
  for (let offset = 0; offset + 1 < sound.length; offset += 2) {
    loudest = Math.max(loudest, Math.abs(sound.readInt16LE(offset)));
  }
  return loudest;
}

describe('the laboratory', function () {
  before(async function () {
    this.timeout(600_000);
    try {
      await provision();
    } catch (error) {
      if (!(error instanceof CannotProvision)) throw error;
      console.warn(`      not run here: ${error.message}`);
      this.skip();
    }
  });

  it('plays a call in each of two laboratories side by side and leaves nothing behind', async function () {
    this.timeout(60_000);
    const labs = await Promise.all([startLab(), startLab()]);
    try {
      await Promise.all(labs.map(playCall));
    } finally {
      await Promise.all(labs.map((lab) => lab.stop()));
    }
    for (const one of labs.flatMap((lab) => [lab.pbx, lab.world])) {
      assert.equal(isRunning(one.pid), false, 'the process is gone');
      assert.equal(existsSync(one.outside(one.settings.folders.home)), false, 'the folder is gone');
      assert(await canListen(one.settings.ports.ami), 'the AMI port is free');
      assert(await canBindUdp(one.settings.ports.sip), 'the SIP port is free');
    }
  });

  it('kills an Asterisk that no longer listens to a polite request', async function () {
    this.timeout(60_000);
    const lab = await startLab();
    process.kill(lab.pbx.pid, 'SIGSTOP');
    await lab.stop();
    assert.equal(isRunning(lab.pbx.pid), false);
    assert.equal(isRunning(lab.world.pid), false);
  });

  it('brings a crashed PBX back for the next call', async function () {
    this.timeout(60_000);
    const lab = await startLab();
    try {
      await lab.script({ '101': [ring(0.3), answer(), stay()] });
      await lab.call({ from: '79161110002', to: '7000001' });
      await lab.witness.until('101 answers', () => lab.witness.of('101').some((one) => one.answeredAt !== null));
      const crashed = lab.pbx.pid;
      await lab.crashPbx();
      assert.notEqual(lab.pbx.pid, crashed);
      assert.equal(isRunning(crashed), false);
      await lab.world.command('channel request hangup all');
      const call = await lab.call({ from: '79161110002', to: '7000001', then: [talk(1), hangUp()] });
      await call.ended;
      await lab.witness.until('they have talked', () => lab.witness.talkSeconds('101', '79161110002') > 0.8);
    } finally {
      await lab.stop();
    }
  });

  it('loads a dialplan that is handed over, and another one later', async function () {
    this.timeout(60_000);
    const context = (application: string) => ({ 'own.conf': `[own]\nexten => 1,1,${application}\n` });
    const lab = await startLab({ generatedDialplan: context('Busy()') });
    try {
      assert.match(await lab.pbx.command('dialplan show own'), /Busy\(\)/);
      await lab.loadDialplan(context('Congestion()'));
      assert.match(await lab.pbx.command('dialplan show own'), /Congestion\(\)/);
    } finally {
      await lab.stop();
    }
  });
});

async function playCall(lab: Lab): Promise<void> {
  const capture = await lab.startCapture();
  await lab.script({ '101': [ring(0.3), answer(), stay()] });
  const call = await lab.call({ from: '79161110002', to: '7000001', then: [talk(1), hangUp()] });
  await call.ended;
  const { ami, cel, cdr } = await capture.stop();
  assert(lab.witness.talkSeconds('101', '79161110002') > 0.8, lab.witness.describe());
  assert.match(ami.toString(), /^Asterisk Call Manager\//);
  assert.match(ami.toString(), /Event: BridgeEnter\r\n/);
  assert.match(cel.toString(), /^"CHAN_START",/);
  assert.match(cdr.toString(), /"ANSWERED"/);
  const recordings = readdirSync(lab.recordingsFolder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.wav'),
  );
  assert.equal(recordings.length, 1);
  assert(loudnessOf(join(lab.recordingsFolder, recordings[0]!)) > 1_000, 'both are heard on the recording');
}
