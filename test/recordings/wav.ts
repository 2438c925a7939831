/** Wav files as a PBX writes them. */
export interface Sound {
  readonly hertz: number;
  readonly seconds: number;
}

export function samplesOf(sounds: readonly Sound[], rate = 8000): Buffer {
  const parts = sounds.map(({ hertz, seconds }) => {
    const samples = Buffer.alloc(Math.round(seconds * rate) * 2);
    for (let at = 0; at < samples.length / 2; at++) {
      samples.writeInt16LE(Math.round(9000 * Math.sin((2 * Math.PI * hertz * at) / rate)), at * 2);
    }
    return samples;
  });
  return Buffer.concat(parts);
}

/** 16-bit mono; `toldBytes` is what the header claims, by default the truth. */
export function wavOf(sounds: readonly Sound[], options: { rate?: number; toldBytes?: number } = {}): Buffer {
  const { rate = 8000 } = options;
  const samples = samplesOf(sounds, rate);
  return Buffer.concat([wavHeader({ rate, bytes: options.toldBytes ?? samples.length }), samples]);
}

export function wavHeader(of: {
  rate?: number;
  channels?: number;
  bytes: number;
  tag?: number;
  bits?: number;
}): Buffer {
  const { rate = 8000, channels = 1, bytes, tag = 1, bits = 16 } = of;
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(bytes === 0 ? 0 : bytes + 36, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(tag, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE((rate * channels * bits) / 8, 28);
  header.writeUInt16LE((channels * bits) / 8, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36);
  header.writeUInt32LE(bytes, 40);
  return header;
}
