/** Plays stories and keeps what the PBX reported about each, as fixtures for tests that need no Asterisk. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Capture, Lab } from './lab.ts';
import type { Story } from './story.ts';

/** Where the fixtures stand: `<story>/story.json` and `<story>/<system>/{ami.log,cel.csv,cdr.csv}`. */
export const scenariosFolder = resolve(dirname(fileURLToPath(import.meta.url)), '../../scenarios');

/** Plays a story on a quiet PBX. @throws when it did not happen as scripted */
export async function playStory(lab: Lab, story: Story): Promise<Capture> {
  await lab.quiet();
  lab.witness.reset();
  const capture = await lab.startCapture();
  try {
    await story.run(lab);
    assert.deepEqual(lab.witness.unscripted, [], 'nobody without a script was called');
  } catch (error) {
    await lab.hangUpAll();
    throw new Error(`${story.name}: ${(error as Error).message}\n${lab.witness.describe()}`);
  } finally {
    await capture.stop();
  }
  return capture.stop();
}

export function writeScenario(options: {
  readonly story: Story;
  readonly capture: Capture;
  /** `asterisk-22`, `asterisk-16`, `asterisk-16-chan-sip`. */
  readonly system: string;
}): void {
  const { story, capture } = options;
  const folder = join(scenariosFolder, story.name);
  const files = join(folder, options.system);
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, 'ami.log'), capture.ami);
  writeFileSync(join(files, 'cel.csv'), capture.cel);
  writeFileSync(join(files, 'cdr.csv'), capture.cdr);
  writeExpectation(story);
}

/** Writes what the story expects; the recorded traffic stays as it is. */
export function writeExpectation(story: Story): void {
  const { title, employees, expect } = story;
  const file = join(scenariosFolder, story.name, 'story.json');
  writeFileSync(file, `${JSON.stringify({ title, employees, expect }, null, 2)}\n`);
}
