/** What is to be heard in a recording: decoded by ffmpeg, measured here. */
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';

const rate = 8000;

export interface Heard {
  readonly seconds: number;
  /** Strength of this tone between two moments, as a part of all sound there: 1 is the tone alone, 0 is its absence. */
  strength(hertz: number, fromSeconds: number, toSeconds: number): number;
  /** Root mean square between two moments, 0 to 1. */
  loudness(fromSeconds: number, toSeconds: number): number;
}

/** @throws when ffmpeg cannot decode it, e.g. because it is cut off */
export function listen(sound: Buffer): Heard {
  const { status, stdout, stderr } = spawnSync(
    'ffmpeg',
    ['-v', 'error', '-xerror', '-i', 'pipe:0', '-ar', String(rate), '-ac', '1', '-f', 's16le', 'pipe:1'],
    { input: sound, maxBuffer: 256 * 1024 * 1024 },
  );
  assert.equal(status, 0, stderr.toString());
  const samples = new Int16Array(stdout.buffer, stdout.byteOffset, Math.floor(stdout.length / 2));
  const between = (from: number, to: number) => samples.subarray(Math.round(from * rate), Math.round(to * rate));
  const power = (part: Int16Array) => part.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, part.length);
  return {
    seconds: samples.length / rate,
    strength(hertz, fromSeconds, toSeconds) {
      const part = between(fromSeconds, toSeconds);
      // The phase of a tone jumps with lost packets, so it is measured in pieces of a twentieth of a second.
      const piece = rate / 20;
      let [tone, all] = [0, 0];
      for (let at = 0; at + piece <= part.length; at += piece) {
        const window = part.subarray(at, at + piece);
        let [real, imaginary] = [0, 0];
        window.forEach((sample, index) => {
          const angle = (2 * Math.PI * hertz * index) / rate;
          real += sample * Math.cos(angle);
          imaginary += sample * Math.sin(angle);
        });
        tone += (2 * (real * real + imaginary * imaginary)) / (piece * piece);
        all += power(window);
      }
      return all === 0 ? 0 : tone / all;
    },
    loudness: (fromSeconds, toSeconds) => Math.sqrt(power(between(fromSeconds, toSeconds))) / 32768,
  };
}
