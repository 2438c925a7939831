/** How loud a recording is along its length, from 16-bit samples as they come by. Keeps a peak per tenth of a second. */
export class LoudnessMeter {
  readonly #rate: number;
  readonly #channels: number;
  readonly #peaks: number[][];
  #frames = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(options: { readonly rate: number; readonly channels: number }) {
    this.#rate = options.rate;
    this.#channels = options.channels;
    this.#peaks = Array.from({ length: options.channels }, () => []);
  }

  get durationMs(): number {
    return (this.#frames / this.#rate) * 1000;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const channels = this.#channels;
    const frames = Math.floor(bytes.length / (2 * channels));
    const perPeak = this.#rate / 10;
    // Aligned, because samples are read as numbers.
    const samples =
      bytes.byteOffset % 2 === 0
        ? new Int16Array(bytes.buffer, bytes.byteOffset, frames * channels)
        : new Int16Array(Uint8Array.prototype.slice.call(bytes, 0, frames * channels * 2).buffer);
    for (let frame = 0; frame < frames;) {
      const peak = Math.floor((this.#frames + frame) / perPeak);
      const end = Math.min(frames, (peak + 1) * perPeak - this.#frames);
      for (let channel = 0; channel < channels; channel++) {
        let loudest = this.#peaks[channel]![peak] ?? 0;
        for (let at = frame; at < end; at++) {
          const sample = samples[at * channels + channel]!;
          const loudness = sample < 0 ? -sample : sample;
          if (loudness > loudest) loudest = loudness;
        }
        this.#peaks[channel]![peak] = loudest;
      }
      frame = end;
    }
    this.#frames += frames;
    this.#rest = Buffer.from(bytes.subarray(frames * 2 * channels));
  }

  /** At most `count` peaks per channel, 0 to 255. */
  peaks(count = 800): number[][] {
    return this.#peaks.map((channel) => {
      const wanted = Math.min(count, channel.length);
      return Array.from({ length: wanted }, (_, index) => {
        const from = Math.floor((index * channel.length) / wanted);
        const to = Math.max(from + 1, Math.floor(((index + 1) * channel.length) / wanted));
        return Math.min(255, Math.round((Math.max(...channel.slice(from, to)) / 32768) * 255));
      });
    });
  }
}
