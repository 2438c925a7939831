/** `npm run lab -- …`: the laboratory from the command line. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Command, Option } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { playStory, scenariosFolder, writeExpectation, writeScenario } from './capture.ts';
import { startLab, type Lab } from './lab.ts';
import { provision, type Release } from './provision.ts';
import { findStories, stories } from './stories.ts';

const releaseOption = () =>
  new Option('--release <release>', 'forky (Asterisk 22) or bullseye (Asterisk 16)')
    .choices(['forky', 'bullseye'])
    .default('forky');
const report = (line: string) => console.error(line);

interface PlayOptions {
  readonly release: Release;
  /** With chan_sip in place of chan_pjsip. */
  readonly chanSip?: true;
}
const chanSipOption = () => new Option('--chan-sip', 'with the old SIP driver, which only bullseye has');

async function play(names: readonly string[], options: PlayOptions & { keeps: boolean }): Promise<void> {
  const chosen = findStories(names).filter((story) => !story.notOn?.includes(options.release));
  const failures: Error[] = [];
  let lab: Lab | null = null;
  try {
    for (const story of chosen) {
      lab ??= await startLab({
        release: options.release,
        technology: options.chanSip ? 'SIP' : 'PJSIP',
        name: `capture-${options.release}`,
        report,
      });
      const startedAt = Date.now();
      try {
        const capture = await playStory(lab, story);
        if (options.keeps) {
          const system = `asterisk-${lab.pbx.settings.place.majorVersion}${options.chanSip ? '-chan-sip' : ''}`;
          writeScenario({ story, capture, system });
        }
        report(`✓ ${story.name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
        if (!options.keeps) report(lab.witness.describe());
      } catch (error) {
        failures.push(error as Error);
        report(`✗ ${(error as Error).message}`);
        // Whatever the failed story left behind must not leak into the next one.
        await lab.stop();
        lab = null;
      }
    }
  } finally {
    await lab?.stop();
  }
  if (failures.length > 0) {
    report(`${failures.length} of ${chosen.length} stories did not happen as scripted`);
    process.exitCode = 1;
  }
}

const program = new Command('lab').description('Two real Asterisks on 127.0.0.1: a PBX, and the world that calls it.');
program
  .command('provision')
  .description('makes sure that Asterisk can be run')
  .addOption(releaseOption())
  .action(async (options: { release: Release }) => {
    const place = await provision({ release: options.release, report });
    report(`${place.version} is ready`);
  });
program
  .command('list')
  .description('lists the stories')
  .action(() => stories.forEach((story) => console.log(`${story.name.padEnd(40)} ${story.title}`)));
program
  .command('run')
  .argument('<story...>')
  .description('plays stories and tells what happened')
  .addOption(releaseOption())
  .addOption(chanSipOption())
  .action((names: string[], options: PlayOptions) => play(names, { ...options, keeps: false }));
program
  .command('capture')
  .argument('[story...]', 'all when none is named')
  .description('plays stories and keeps what the PBX reported as fixtures in test/scenarios')
  .addOption(releaseOption())
  .addOption(chanSipOption())
  .action((names: string[], options: PlayOptions) => play(names, { ...options, keeps: true }));
program
  .command('expect')
  .argument('[story...]', 'all when none is named')
  .description('writes what the stories expect anew, without playing them')
  .action((names: string[]) =>
    findStories(names)
      .filter((story) => existsSync(join(scenariosFolder, story.name)))
      .forEach(writeExpectation),
  );
program
  .command('shell')
  .argument('[side]', 'pbx or world', 'pbx')
  .description('boots a laboratory and opens the Asterisk console of one side')
  .addOption(releaseOption())
  .action(async (side: string, options: { release: Release }) => {
    const lab = await startLab({ release: options.release, report });
    try {
      const { place, folders } = (side === 'world' ? lab.world : lab.pbx).settings;
      const command = [place.program, '-C', `${folders.etc}/asterisk.conf`, '-r'];
      report(
        `AMI on 127.0.0.1:${lab.amiPort}, users ringledger-events and ringledger-control: ${JSON.stringify(lab.secrets)}`,
      );
      const [first, ...rest] = place.root === null ? command : ['chroot', place.root, ...command];
      await once(spawn(first!, rest, { stdio: 'inherit' }), 'exit');
    } finally {
      await lab.stop();
    }
  });

await program.parseAsync();
