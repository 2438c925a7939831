/** A recording in stereo of every call that is opened, as the server would tell of one; made here, because the seeded calls have no sound. */
import type { Page } from 'playwright-core';

export const recordingSeconds = 65;
const rate = 8_000;

/** Silence as a wave file that browsers play and seek in. */
function silence(): Buffer {
  const bytes = recordingSeconds * rate;
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + bytes, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36);
  head.writeUInt32LE(bytes, 40);
  return Buffer.concat([head, Buffer.alloc(bytes, 128)]);
}

const recording = {
  id: 'abc',
  uniqueId: null,
  state: 'ready',
  reason: null,
  durationMs: recordingSeconds * 1_000,
  link: 'https://pbx.example/r/abc?s=1',
  left: 'client',
};
const loudness = (salt: number) =>
  Array.from({ length: 400 }, (_, index) =>
    Math.round(Math.abs(Math.sin(index / 17 + salt) * Math.sin(index / 3)) * 230),
  );

export async function showRecording(page: Page): Promise<void> {
  const sound = silence();
  await page.route('**/api/v1/calls/**/recordings', (route) => route.fulfill({ json: { items: [recording] } }));
  await page.route('**/api/v1/recordings/abc', (route) =>
    route.fulfill({ json: { ...recording, peaks: [loudness(0), loudness(2)] } }),
  );
  await page.route('**/r/abc**', (route) => {
    const [, from = '0'] = /bytes=(\d+)-/.exec(route.request().headers()['range'] ?? '') ?? [];
    const start = Number(from);
    return route.fulfill({
      status: 206,
      headers: {
        'content-type': 'audio/wav',
        'accept-ranges': 'bytes',
        'content-range': `bytes ${start}-${sound.length - 1}/${sound.length}`,
      },
      body: sound.subarray(start),
    });
  });
}
