/**
 * The laboratory: a real PBX and the world around it, two Asterisks on 127.0.0.1, for tests that place real calls.
 *
 *     const lab = await startLab();
 *     await lab.script({ '101': [ring(1), answer(), stay()] });
 *     const call = await lab.call({ from: '79161110002', to: '7000001', then: [talk(2), hangUp()] });
 *     await call.ended;
 *     await lab.quiet();
 *     assert(lab.witness.talkSeconds('101', '79161110002') > 1.5);
 *     await lab.stop();
 *
 * What the product needs of the PBX stands on the lab: `amiPort`, `secrets`, `celFile`, `cdrFile`, `recordingsFolder`.
 * A dialplan made by the product is handed over as `generatedDialplan` (with `trunkContext` and `phonesContext` naming
 * the contexts that calls then enter) or replaced later with `loadDialplan`. The numbers that the lab's own dialplan
 * knows are listed in pbx-config.ts. Starting takes about two seconds once Asterisk is provisioned; several labs may run
 * side by side; nothing of a lab outlives the process that started it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AmiLink } from './ami-link.ts';
import { Asterisk, findFreePorts } from './asterisk.ts';
import { configurePbx, extensions, type PbxSecrets, type PhoneTechnology } from './pbx-config.ts';
import { provision, type Release } from './provision.ts';
import { renderScript, type Script } from './script.ts';
import { Witness, type Experience } from './witness.ts';
import { configureWorld } from './world-config.ts';

export interface LabOptions {
  readonly release?: Release;
  /** What drives the PBX's phones and trunk; `SIP` is the old driver, which only the release `bullseye` has. */
  readonly technology?: PhoneTechnology;
  /** Becomes part of the PBX's paths; unique among running labs. Made up when absent. */
  readonly name?: string;
  /** A folder whose `*.conf` files, or file names with their texts, are put into `ringledger.d/`. */
  readonly generatedDialplan?: string | Readonly<Record<string, string>>;
  /** What the phones talk to the PBX in; `alaw,ulaw` by default, which for all calls comes to `alaw`, as on the trunk. */
  readonly phoneCodecs?: string;
  /** Leaves out the lab's own click-to-call contexts, for generated ones of the same names. */
  readonly withoutClickToCallContexts?: boolean;
  /** Context that calls from the trunk enter; `from-provider` by default. */
  readonly trunkContext?: string;
  /** Context that calls from the phones enter; `lab-phones` by default. */
  readonly phonesContext?: string;
  /** Further configuration files of the PBX; they win over the lab's. */
  readonly pbxFiles?: Readonly<Record<string, string>>;
  /** Told in plain words what takes long. */
  readonly report?: (line: string) => void;
  /** Leaves the folders of both Asterisks in place when the lab stops, for looking into their logs. */
  readonly keepsFolders?: boolean;
}

export interface CallOptions {
  /** An extension, a client's number as the provider sends it, or `anonymous`. */
  readonly from: string;
  readonly to: string;
  /** What the caller does once the call is answered; by default it stays until the other side ends the call. */
  readonly then?: Script;
  /** How long the caller lets it ring; 60 s by default. */
  readonly givesUpAfterSeconds?: number;
  /** The caller's name as the network sends it. */
  readonly name?: string;
}

/** A call that a party of the world makes. */
export interface PlacedCall {
  /** The caller's own experience; its channel runs in the world. */
  experience(): Experience | null;
  /** Resolves when the caller's side has ended, and what the PBX told until then has been heard. */
  readonly ended: Promise<void>;
}

/** What the PBX reported about the calls between start and stop, byte for byte. */
export interface Capture {
  readonly ami: Buffer;
  readonly cel: Buffer;
  readonly cdr: Buffer;
}

/** Boots both Asterisks. @throws CannotProvision, or when one of them does not come up */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const place = await provision({
    release: options.release ?? 'forky',
    ...(options.report && { report: options.report }),
  });
  for (let attempt = 1; ; attempt++) {
    const name = options.name ?? randomBytes(4).toString('hex');
    const [pbxPorts, worldPorts] = [await findFreePorts(), await findFreePorts()];
    const secret = () => randomBytes(12).toString('hex');
    const secrets: PbxSecrets = { events: secret(), control: secret() };
    const starts = await Promise.allSettled([
      Asterisk.start({
        place,
        name: `${name}/pbx`,
        ports: pbxPorts,
        labSecret: secret(),
        configure: (settings) => ({
          ...configurePbx(settings, {
            secrets,
            worldSipPort: worldPorts.sip,
            worldTrunkPort: worldPorts.trunk,
            technology: options.technology ?? 'PJSIP',
            trunkContext: options.trunkContext ?? 'from-provider',
            phonesContext: options.phonesContext ?? 'lab-phones',
            phoneCodecs: options.phoneCodecs ?? 'alaw,ulaw',
            withoutClickToCallContexts: options.withoutClickToCallContexts ?? false,
            files: options.pbxFiles ?? {},
          }),
          ...dialplanFiles(options.generatedDialplan ?? {}),
        }),
      }),
      Asterisk.start({
        place,
        name: `${name}/world`,
        ports: worldPorts,
        labSecret: secret(),
        configure: (settings) => configureWorld(settings, { pbxSipPort: pbxPorts.sip }),
      }),
    ]);
    const running = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const [pbx, world] = running;
    try {
      if (pbx === undefined || world === undefined) {
        throw starts.map((start) => (start.status === 'rejected' ? (start.reason as Error) : null)).find(Boolean);
      }
      const lab = new Lab({
        pbx,
        world,
        secrets,
        technology: options.technology ?? 'PJSIP',
        keepsFolders: options.keepsFolders ?? false,
      });
      await lab.untilRegistered(extensions);
      return lab;
    } catch (error) {
      await Promise.all(running.map((one) => one.stop()));
      // Somebody else may have taken one of the ports meanwhile.
      if (attempt === 2) throw error;
    }
  }
}

export class Lab {
  readonly pbx: Asterisk;
  readonly world: Asterisk;
  readonly secrets: PbxSecrets;
  readonly witness: Witness;
  readonly #keepsFolders: boolean;
  readonly #technology: PhoneTechnology;
  readonly #links: AmiLink[] = [];
  #called = '';
  #made = '';
  #counter = 0;

  constructor(parts: {
    pbx: Asterisk;
    world: Asterisk;
    secrets: PbxSecrets;
    technology: PhoneTechnology;
    keepsFolders: boolean;
  }) {
    this.pbx = parts.pbx;
    this.world = parts.world;
    this.secrets = parts.secrets;
    this.#keepsFolders = parts.keepsFolders;
    this.#technology = parts.technology;
    this.witness = new Witness({ world: this.world.ami, pbx: this.pbx.ami });
  }

  /** The PBX's AMI port on 127.0.0.1; users `ringledger-events` and `ringledger-control`. */
  get amiPort(): number {
    return this.pbx.settings.ports.ami;
  }
  get celFile(): string {
    return this.pbx.outside(`${this.pbx.settings.folders.log}/cel-custom/Master.csv`);
  }
  get cdrFile(): string {
    return this.pbx.outside(`${this.pbx.settings.folders.log}/cdr-csv/Master.csv`);
  }
  /** Where MixMonitor writes, as this machine sees it. */
  get recordingsFolder(): string {
    return this.pbx.outside(`${this.pbx.settings.folders.spool}/monitor`);
  }
  get voicemailFolder(): string {
    return this.pbx.outside(`${this.pbx.settings.folders.spool}/voicemail`);
  }
  /** The folder of the generated dialplan, as this machine sees it. */
  get dialplanFolder(): string {
    return this.pbx.outside(`${this.pbx.settings.folders.etc}/ringledger.d`);
  }
  /** A SIP address of the PBX, for phones that transfer or redirect. */
  pbxUri(user: string): string {
    return `sip:${user}@127.0.0.1:${this.pbx.settings.ports.sip}`;
  }

  /**
   * Says what parties do when they are called; whoever is not named here does not exist. Several scripts of one party
   * are for its first call, its second, and so on (the last one for all further ones).
   */
  async script(scripts: Readonly<Record<string, Script | readonly Script[]>>): Promise<void> {
    const generation = ++this.#counter;
    const isMany = (one: Script | readonly Script[]): one is readonly Script[] => Array.isArray(one[0]?.[0]);
    const entries: string[] = [];
    const bodies: string[] = [];
    for (const [party, given] of Object.entries(scripts)) {
      const many = isMany(given) ? given : [given];
      const count = `COUNT_${generation}_${party}`;
      entries.push(
        `exten => ${party},1,Set(GLOBAL(${count})=$[0\${${count}} + 1])`,
        ` same => n,Goto(called-scripts,${party}-\${IF($[\${${count}} > ${many.length}]?${many.length}:\${${count}})},1)`,
      );
      for (const [index, script] of many.entries()) {
        bodies.push(renderScript({ extension: `${party}-${index + 1}`, party, script, isCalling: false }));
      }
    }
    this.#called = `[called](+)\n${entries.join('\n')}\n\n[called-scripts]\n${bodies.join('')}`;
    this.#made = '';
    await this.#loadScripts();
  }

  /** Places a call from a party of the world. Resolves once the call is on its way. */
  async call(options: CallOptions): Promise<PlacedCall> {
    const id = `calling-${options.from}-${++this.#counter}`;
    this.#made += renderScript({
      extension: id,
      party: options.from,
      script: options.then ?? [['Wait(60)']],
      isCalling: true,
    });
    await this.#loadScripts();
    const endpoint = /^10\d$/.test(options.from)
      ? `as-${options.from}`
      : options.from === 'anonymous'
        ? 'as-anonymous'
        : 'as-provider';
    const number = options.from === 'anonymous' ? '' : options.from;
    await this.world.ami.send({
      Action: 'Originate',
      Async: 'true',
      ChannelId: id,
      Channel: `PJSIP/${options.to}@${endpoint}`,
      CallerID: `"${options.name ?? ''}" <${number}>`,
      Context: 'made',
      Exten: id,
      Priority: '1',
      Timeout: String(Math.round((options.givesUpAfterSeconds ?? 60) * 1000)),
    });
    const experience = () => this.witness.experiences.find((one) => one.id === id) ?? null;
    await this.witness.until(`the call of ${options.from} starts`, () => experience() !== null);
    const ended = async () => {
      const isOver = () => (experience()?.endedAt ?? null) !== null;
      await this.witness.until(`the call of ${options.from} ends`, isOver, 60_000);
      // What the PBX told before it ended the call is on its way over another connection; a PBX that was killed says nothing.
      await Promise.race([this.pbx.ami.send({ Action: 'Ping' }).catch(() => undefined), delay(1_000)]);
    };
    return { experience, ended: ended() };
  }

  /** Makes a party's channel in the world do something else from now on. */
  async redirect(experience: Experience, script: Script): Promise<void> {
    const extension = `moved-${++this.#counter}`;
    this.#made += renderScript({ extension, party: experience.party, script, isCalling: false });
    await this.#loadScripts();
    await this.world.ami.send({
      Action: 'Redirect',
      Channel: experience.channel,
      Context: 'made',
      Exten: extension,
      Priority: '1',
    });
  }

  /** A control session to the PBX as the product's user has it; closed with the lab. */
  async openControl(): Promise<AmiLink> {
    const link = await AmiLink.open({
      port: this.amiPort,
      username: 'ringledger-control',
      secret: this.secrets.control,
    });
    this.#links.push(link);
    return link;
  }

  async unregister(extension: string): Promise<void> {
    await this.world.command(`pjsip send unregister reg-${extension}`);
    await poll(`${extension} is unregistered`, async () => !(await this.#registered()).has(extension));
  }
  async register(extension: string): Promise<void> {
    await this.world.command(`pjsip send register reg-${extension}`);
    await this.untilRegistered([extension]);
  }
  async untilRegistered(phones: readonly string[]): Promise<void> {
    await poll(`${phones.join(', ')} are registered`, async () => {
      const present = await this.#registered();
      return phones.every((phone) => present.has(phone));
    });
  }
  async #registered(): Promise<Set<string>> {
    const [command, pattern] =
      this.#technology === 'SIP'
        ? ['sip show peers', /^(\d+)\/\S+\s+[\d.]+\s.*\bOK \(/gm]
        : (['pjsip show contacts', /Contact:\s+(\d+)\/\S+\s+\S+\s+Avail/g] as const);
    return new Set([...(await this.pbx.command(command)).matchAll(pattern)].map((match) => match[1]!));
  }

  /** Ends the PBX at once, in the middle of whatever it does, and starts it again with the same ports and folders. */
  async crashPbx(): Promise<void> {
    await this.pbx.kill();
    await this.pbx.restart();
    this.witness.attachPbx(this.pbx.ami);
    // Registrations outlive the process, but the PBX would take a while to see that the phones are there.
    for (const extension of extensions) await this.world.command(`pjsip send register reg-${extension}`);
    await this.untilRegistered(extensions);
  }

  /** Replaces the generated dialplan and reloads. */
  async loadDialplan(generated: string | Readonly<Record<string, string>>): Promise<void> {
    rmSync(this.dialplanFolder, { recursive: true, force: true });
    mkdirSync(this.dialplanFolder, { recursive: true });
    for (const [name, text] of Object.entries(dialplanFiles(generated))) this.pbx.writeConfig(name, text);
    await this.pbx.reloadDialplan();
  }

  /** Ends every call on both sides. */
  async hangUpAll(): Promise<void> {
    for (const one of [this.world, this.pbx]) await one.command('channel request hangup all');
  }

  /** Resolves when no channel is left on either side and CEL has closed every call. */
  async quiet(): Promise<void> {
    for (const one of [this.world, this.pbx]) {
      await poll('all channels are gone', async () =>
        /^0 active channels/m.test(await one.command('core show channels count')),
      );
    }
    await poll('CEL has closed every call', () => {
      const cel = existsSync(this.celFile) ? readFileSync(this.celFile, 'utf8') : '';
      const closed = new Set(
        cel
          .split('\n')
          .filter((line) => line.startsWith('"LINKEDID_END"'))
          .map((line) => line.split('","')[15]),
      );
      const opened = cel.split('\n').filter((line) => line.startsWith('"CHAN_START"'));
      return Promise.resolve(opened.every((line) => closed.has(line.split('","')[15])));
    });
  }

  /** Starts recording what the PBX reports, as the user `ringledger-events` is told it. */
  async startCapture(): Promise<{ stop(): Promise<Capture> }> {
    const sizeOf = (file: string) => (existsSync(file) ? statSync(file).size : 0);
    const [celStart, cdrStart] = [sizeOf(this.celFile), sizeOf(this.cdrFile)];
    const link = await AmiLink.open({
      port: this.amiPort,
      username: 'ringledger-events',
      secret: this.secrets.events,
      keepsBytes: true,
    });
    this.#links.push(link);
    let stopped: Capture | null = null;
    return {
      stop: async () => {
        if (stopped !== null) return stopped;
        await this.quiet();
        // A round trip on the same connection: everything sent before the answer has arrived.
        const length = link.bytes.length;
        await link.send({ Action: 'Ping' });
        const all = link.bytes;
        const pong = all.indexOf('Response: Success\r\nActionID: lab-2\r\n', length);
        link.close();
        const tail = (file: string, start: number) =>
          existsSync(file) ? readFileSync(file).subarray(start) : Buffer.alloc(0);
        assert(pong >= length, 'the answer to Ping is the last thing on the line');
        stopped = { ami: all.subarray(0, pong), cel: tail(this.celFile, celStart), cdr: tail(this.cdrFile, cdrStart) };
        return stopped;
      },
    };
  }

  async stop(): Promise<void> {
    for (const link of this.#links) link.close();
    await Promise.all([this.world, this.pbx].map((one) => one.stop({ keepsFolders: this.#keepsFolders })));
    if (!this.#keepsFolders) {
      rmSync(this.pbx.outside(join(this.pbx.settings.folders.home, '..')), { recursive: true, force: true });
    }
  }

  async #loadScripts(): Promise<void> {
    writeFileSync(
      this.world.outside(`${this.world.settings.folders.etc}/scripts.conf`),
      `${this.#called}\n[made]\n${this.#made}`,
    );
    await this.world.reloadDialplan();
  }
}

function dialplanFiles(generated: string | Readonly<Record<string, string>>): Record<string, string> {
  const texts =
    typeof generated === 'string'
      ? Object.fromEntries(
          readdirSync(generated)
            .filter((name) => name.endsWith('.conf'))
            .map((name) => [name, readFileSync(join(generated, name), 'utf8')]),
        )
      : generated;
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [`ringledger.d/${name}`, text]));
}

async function poll(what: string, isTrue: () => Promise<boolean>, deadlineMs = 30_000): Promise<void> {
  const deadlineAt = Date.now() + deadlineMs;
  while (!(await isTrue())) {
    if (Date.now() > deadlineAt) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await delay(40);
  }
}
